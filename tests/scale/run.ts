/**
 * `deno task scale [streams] [deno|bun …]`: how a node and the commands do with very many streams, a
 * million unless told. Lists all of them by pages of 1,000, dumps them over HTTP and from the database,
 * loads the dump elsewhere and trims all of them by a rule, and prints times and the memory of the
 * process that did it. On `TEST_DATABASE_URL`, or a PostgreSQL of its own. Linux: it reads /proc.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { percentile } from "../../bench/report/statistics.ts";
import type { Database } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { freshDatabase, startPostgres, type TestDatabase } from "../support/postgres.ts";
import { commandOf, type RunningServer, type Runtime, startServer } from "../support/server.ts";
import { fill, subscribeToAll } from "./fill.ts";
import { memoryText, MemoryWatch } from "./memory.ts";

const PAGE = 1000;
const MAX_PAGE_MS = 50;
const MAX_GROWTH_MIB = 100;
const LONGEST_MS = 3_600_000;
const RULE = "logs/**: age=1d";

const streams = Number(process.argv[2] ?? 1_000_000);
const runtimes = (process.argv.length > 3 ? process.argv.slice(3) : ["deno", "bun"]) as Runtime[];
/** What was slower or larger than it is to be. */
const misses: string[] = [];

const folder = mkdtempSync(join(tmpdir(), "penstock-scale-"));
const server = await startPostgres();
try {
  for (const runtime of runtimes) await exercise(runtime);
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
for (const miss of misses) say(`MISSED: ${miss}`);
process.exit(misses.length > 0 ? 1 : 0);

async function newDatabase(): Promise<TestDatabase & { readonly database: Database }> {
  const { url, drop } = await freshDatabase(server.url);
  const database = await openPostgres({ url, connections: 2, timeoutMs: 1_200_000 });
  await migrate(database);
  return { url, drop, database };
}

async function exercise(runtime: Runtime): Promise<void> {
  const source = await newDatabase();
  const { url, database } = source;
  const began = performance.now();
  await fill(database, streams);
  await subscribeToAll(database);
  say(`\n${runtime}: ${streams} streams made in ${seconds(began)}`);
  const node = await startServer({ runtime, database: { url } });
  try {
    await watched(`${runtime}: list`, node.process.pid!, () => listAll(node));
    await watched(`${runtime}: dump over HTTP`, node.process.pid!, () => download(node));
  } finally {
    await node.stop();
  }
  const file = join(folder, `${runtime}.dump`);
  await command(runtime, ["dump", "--database-url", url], { output: file });
  say(`the dump has ${(statSync(file).size / 2 ** 20).toFixed(1)} MiB`);
  const target = await newDatabase();
  await command(runtime, ["load", "--database-url", target.url], { input: file });
  rmSync(file);
  await target.database.close();
  await target.drop();
  // What was loaded has one segment a stream, as compaction would leave it: there is nothing to trim.
  await trimAll(runtime, source);
  await source.drop();
}

async function listAll(node: RunningServer): Promise<string> {
  const times: number[] = [];
  let seen = 0;
  let after: string | null = "";
  while (after !== null) {
    const began = performance.now();
    const query = after === "" ? "" : `&after=${encodeURIComponent(after)}`;
    const response: Response = await fetch(
      `${node.url}/v1/stream/__ds/streams?limit=${PAGE}${query}`,
    );
    const page = await response.json() as { streams: unknown[]; next_after: string | null };
    times.push(performance.now() - began);
    assert.equal(response.status, 200);
    seen += page.streams.length;
    after = page.next_after;
  }
  assert.equal(seen, streams);
  times.sort((a, b) => a - b);
  const [p50, p99] = [percentile(times, 50), percentile(times, 99)];
  if (p99 > MAX_PAGE_MS) misses.push(`list: p99 of a page is ${p99.toFixed(1)} ms`);
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${times.at(-1)!.toFixed(1)} ms`;
}

async function download(node: RunningServer): Promise<string> {
  const response = await fetch(`${node.url}/v1/stream/__ds/dump`);
  assert.equal(response.status, 200);
  let bytes = 0;
  for await (const piece of response.body!) bytes += piece.length;
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** A command of the program, as a process of its own. */
async function command(
  runtime: Runtime,
  args: readonly string[],
  files: { readonly input?: string; readonly output?: string },
): Promise<void> {
  const program = await commandOf(runtime, {});
  const input = files.input === undefined ? "ignore" : openSync(files.input, "r");
  const output = files.output === undefined ? "ignore" : openSync(files.output, "w");
  const child = spawn(program.command, [...program.args, ...args], {
    cwd: join(import.meta.dirname!, "../.."),
    stdio: [input, output, "inherit"],
  });
  const exited = once(child, "exit");
  // What the runtime takes by itself is no growth.
  await pause(1500);
  await watched(`${runtime}: ${args[0]}`, child.pid!, async () => {
    const [code] = await exited;
    assert.equal(code, 0);
    return "";
  });
  for (const file of [input, output]) if (typeof file === "number") closeSync(file);
}

/** A node with a rule that concerns every stream. */
async function trimAll(
  runtime: Runtime,
  { url, database }: { readonly url: string; readonly database: Database },
): Promise<void> {
  const node = await startServer({ runtime, database: { url }, args: ["--retention", RULE] });
  try {
    await watched(`${runtime}: trim`, node.process.pid!, async () => {
      const began = performance.now();
      await gone(database, "select from penstock.streams where earliest = 0");
      const trimmed = seconds(began);
      await gone(database, "select from penstock.trims");
      const [row] = await database.query<{ count: number }>(
        "select count(*) as count from penstock.segments",
      );
      assert.equal(row!.count, streams);
      return `trimmed after ${trimmed}, deleted after ${seconds(began)}`;
    });
  } finally {
    await node.stop();
    await database.close();
  }
}

async function gone(database: Database, rows: string): Promise<void> {
  const query = `select exists (${rows}) as some`;
  const latest = performance.now() + LONGEST_MS;
  while ((await database.query<{ some: boolean }>(query))[0]!.some) {
    assert(performance.now() < latest, `there is always something in: ${rows}`);
    await pause(500);
  }
}

async function watched(name: string, pid: number, work: () => Promise<string>): Promise<void> {
  const watch = new MemoryWatch(pid);
  const began = performance.now();
  const result = await work();
  const took = seconds(began);
  const memory = watch.end();
  const growth = memory.most - memory.first;
  if (growth > MAX_GROWTH_MIB) misses.push(`${name}: ${growth} MiB more`);
  say(`${name}: ${took}${result === "" ? "" : `, ${result}`}; ${memoryText(memory)}`);
}

function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`;
}

function say(line: string): void {
  console.log(line);
}
