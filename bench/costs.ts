/**
 * `deno run -A bench/costs.ts [deno|bun] [starts] [rounds] [variants]`: what metrics and traces cost an
 * append of 100 bytes to one stream, from 64 connections, on PostgreSQL. The variants run side by side and
 * are started anew a few times, for one start differs from another by more than what is looked for.
 * `TREE=name=folder,...` adds other checkouts to compare with.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { freshDatabase, startPostgres } from "../tests/support/postgres.ts";
import { type Runtime, startServer } from "../tests/support/server.ts";
import { createStream, TEXT } from "./load/prepare.ts";
import { load } from "./load/request_load.ts";
import { type Contender, SideBySide } from "./side_by_side.ts";

const RUNTIME = (process.argv[2] ?? "deno") as Runtime;
const STARTS = Number(process.argv[3] ?? 5);
const ROUNDS = Number(process.argv[4] ?? 8);
/** Of all variants only these; empty: all. */
const ONLY = (process.argv[5] ?? "").split(",").filter((name) => name !== "");
const AS_IT_IS = "as it is";
const ROOT = join(import.meta.dirname!, "..");
const LOAD = { method: "POST", connections: 64, bodyBytes: 100, headers: TEXT } as const;

interface Variant {
  readonly name: string;
  readonly folder: string;
  readonly env?: Record<string, string>;
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
const all: Variant[] = [
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
];
const variants = all.filter(({ name }) =>
  ONLY.length === 0 || name === AS_IT_IS || ONLY.includes(name)
);

const rounds = new SideBySide();
for (let start = 1; start <= STARTS; start++) {
  await measure();
  console.log(`start ${start} of ${STARTS}\n${rounds.table()}`);
}

async function measure(): Promise<void> {
  await using started = new AsyncDisposableStack();
  const nodes: Contender[] = [];
  for (const { name, folder, env = {} } of variants) {
    const database = await freshDatabase(postgres.url);
    started.defer(() => database.drop());
    const node = await startServer({ runtime: RUNTIME, database, folder, env });
    started.defer(() => node.kill());
    const path = await createStream(node.url, { prefix: "costs", headers: TEXT });
    nodes.push({ name, pid: node.process.pid!, load: { ...LOAD, url: node.url, path } });
  }
  await rounds.run(nodes, { rounds: ROUNDS, warmUps: 1, generate: load });
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
