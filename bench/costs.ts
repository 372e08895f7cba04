/**
 * `deno run -A bench/costs.ts [deno|bun] [starts] [rounds] [variants]`: what metrics and traces cost an
 * append. CPU of the server's process per append of 100 bytes to one stream from 64 connections, on
 * PostgreSQL, side by side: all variants run, and rounds go around them, so that what the machine does
 * meanwhile meets all of them. They are started anew a few times, for one start differs from another by
 * more than what is looked for. `TREE=name=folder,...` adds other checkouts to compare with. Needs wrk.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { DENO_FLAGS } from "../src/platform.ts";
import { freshDatabase, startPostgres } from "../tests/support/postgres.ts";
import { bunExecutable } from "../tests/support/server.ts";
import { wrkLoad } from "./load/wrk.ts";
import { cpuMicros } from "./servers/proc.ts";

const RUNTIME = process.argv[2] ?? "deno";
const STARTS = Number(process.argv[3] ?? 5);
const ROUNDS = Number(process.argv[4] ?? 8);
/** Of all variants only these; empty: all. */
const ONLY = (process.argv[5] ?? "").split(",").filter((name) => name !== "");
const SECONDS = 1;
const AS_IT_IS = "as it is";
const ROOT = join(import.meta.dirname!, "..");
const LOAD = { connections: 64, bodyBytes: 100, headers: { "Content-Type": "text/plain" } };

interface Variant {
  readonly name: string;
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface Running {
  readonly url: string;
  readonly child: ChildProcessByStdio<null, Readable, null>;
}

/** What takes the metrics out: each text must be there, so that the comparison cannot go stale. */
const WITHOUT_METRICS: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  "src/lib/telemetry/distribution.ts": [
    [
      "observe(value: number): void {",
      "observe(value: number): void {\n    if (value > -1) return;",
    ],
  ],
  "src/lib/telemetry/request_counts.ts": [
    [
      "add(kind: number, status: number): void {",
      "add(kind: number, status: number): void {\n    if (status > -1) return;",
    ],
  ],
  "src/metrics/measured_database.ts": [
    [
      "this.#measured(this.#database.query<Row>(statement, parameters), statement)",
      "this.#database.query<Row>(statement, parameters)",
    ],
    [
      "this.#measured(this.#database.hedged<Row>(statement, parameters), statement)",
      "this.#database.hedged<Row>(statement, parameters)",
    ],
  ],
  "src/streams/append/commit_measurements.ts": [
    ["const now = performance.now();", "if (began > -1) return;\n  const now = 0;"],
  ],
  "src/streams/append/appender.ts": [["admittedAt: performance.now(),", "admittedAt: 0,"]],
  "src/streams/stored_body.ts": [
    ["measurements.bytesReceived += body.length;\n  if", "if"],
    ["measurements.messagesReceived += body.length > 0 ? 1 : 0;", ""],
  ],
};

await using stack = new AsyncDisposableStack();
const postgres = await startPostgres();
stack.defer(() => postgres.stop());
const collector = await startCollector();
const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: collector };
const variants = [
  { name: AS_IT_IS, folder: ROOT },
  { name: "without metrics", folder: treeWithoutMetrics() },
  {
    name: "1 % traced",
    folder: ROOT,
    env: {
      ...endpoint,
      OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
      OTEL_TRACES_SAMPLER_ARG: "0.01",
    },
  },
  { name: "all traced", folder: ROOT, env: endpoint },
  ...(process.env.TREE ?? "").split(",").filter((text) => text !== "").map((text) => {
    const [name = "", folder = ""] = text.split("=");
    return { name, folder };
  }),
].filter(({ name }) => ONLY.length === 0 || name === AS_IT_IS || ONLY.includes(name));

/** Microseconds per append, a figure per round. */
const figures = new Map<string, number[]>(variants.map(({ name }) => [name, []]));
for (let start = 1; start <= STARTS; start++) {
  await measure();
  console.log(`start ${start} of ${STARTS}\n${table()}`);
}

/** Rounds are compared one by one: what the machine does meanwhile is much the same in each. */
function table(): string {
  const base = figures.get(AS_IT_IS)!;
  return [...figures].map(([name, values]) => {
    const ratios = values.map((value, at) => value / base[at]!);
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => percent(quantile(ratios, share)));
    return `  ${name.padEnd(18)}${quantile(values, 0.5).toFixed(2).padStart(8)} µs, least ` +
      `${Math.min(...values).toFixed(2)}; to "${AS_IT_IS}": ${middle}, half of the rounds ` +
      `${low} to ${high}`;
  }).join("\n");
}

function percent(ratio: number): string {
  return `${ratio < 1 ? "" : "+"}${((ratio - 1) * 100).toFixed(1)} %`;
}

async function measure(): Promise<void> {
  await using started = new AsyncDisposableStack();
  const nodes: (Running & { readonly name: string })[] = [];
  for (const variant of variants) {
    const database = await freshDatabase(postgres.url);
    started.defer(() => database.drop());
    const node = await startNode(variant, database.url);
    started.defer(async () => {
      node.child.kill("SIGKILL");
      await new Promise((resolve) => node.child.once("close", resolve));
    });
    const { status } = await fetch(`${node.url}/v1/stream/s`, {
      method: "PUT",
      headers: LOAD.headers,
    });
    if (status !== 201) throw new Error(`${variant.name}: ${status}`);
    nodes.push({ ...node, name: variant.name });
  }
  for (let round = -1; round < ROUNDS; round++) {
    // The one that begins is another one each time.
    for (let turn = 0; turn < nodes.length; turn++) {
      const node = nodes[(turn + round + nodes.length) % nodes.length]!;
      const before = cpuMicros(node.child.pid!)!;
      const { requests, errors } = await wrkLoad({
        ...LOAD,
        url: node.url,
        method: "POST",
        path: "/v1/stream/s",
        seconds: SECONDS,
      });
      if (errors > 0) throw new Error(`${node.name}: ${errors} errors`);
      // The first round is for the compilers.
      if (round < 0) continue;
      figures.get(node.name)!.push((cpuMicros(node.child.pid!)! - before) / requests);
    }
  }
}

async function startNode({ folder, env = {} }: Variant, databaseUrl: string): Promise<Running> {
  const [command, args] = RUNTIME === "bun"
    ? [await bunExecutable(), ["run", "main.ts"]]
    : [process.execPath, ["run", "-A", ...DENO_FLAGS, "main.ts"]];
  const serve = ["serve", "--port", "0", "--log-format", "json", "--database-url", databaseUrl];
  const child = spawn(command, [...args, ...serve], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, url } = JSON.parse(line) as { event: string; url: string };
    if (event !== "listening") continue;
    child.stdout.resume();
    return { url: url.replace(/\/$/, ""), child };
  }
  throw new Error("the server ended");
}

function treeWithoutMetrics(): string {
  const folder = mkdtempSync(join(tmpdir(), "penstock-costs-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["src", "main.ts", "deno.json", "deno.lock"]) {
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const [file, edits] of Object.entries(WITHOUT_METRICS)) {
    let text = readFileSync(join(folder, file), "utf8");
    for (const [from, to] of edits) {
      if (!text.includes(from)) throw new Error(`${file} has no ${JSON.stringify(from)} any more`);
      text = text.replace(from, to);
    }
    writeFileSync(join(folder, file), text);
  }
  return folder;
}

/** Takes spans and looks at none. */
async function startCollector(): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(200).end("{}"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))]!;
}
