/** pgbench's latency of a single-row insert on one connection, where pgbench is installed. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { percentile } from "../report/statistics.ts";

const run = promisify(execFile);

export interface InsertLatency {
  readonly inserts: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
}

let available: Promise<boolean> | undefined;

export function pgbenchAvailable(): Promise<boolean> {
  available ??= run("pgbench", ["--version"]).then(() => true, () => false);
  return available;
}

/** Prepared, one client, 100 bytes a row, every transaction's latency from pgbench's own log. */
export async function pgbenchInsert(url: string, seconds: number): Promise<InsertLatency> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql`create table if not exists public.bench_inserts (
    id bigint generated always as identity primary key, data bytea not null)`;
  await sql.end();
  const folder = mkdtempSync(join(tmpdir(), "penstock-pgbench-"));
  try {
    const script = join(folder, "insert.sql");
    const bytes = "78".repeat(100);
    writeFileSync(script, `insert into public.bench_inserts (data) values ('\\x${bytes}');\n`);
    const log = ["--log", "--log-prefix", join(folder, "log")];
    const whole = String(Math.max(1, Math.round(seconds)));
    const flags = ["--no-vacuum", "--protocol=prepared", "--client=1", `--time=${whole}`];
    await run("pgbench", [...flags, "--file", script, ...log, url], { cwd: folder });
    const name = readdirSync(folder).find((file) => file.startsWith("log."));
    return parseLog(name === undefined ? "" : readFileSync(join(folder, name), "utf8"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Exported for tests. Lines of `client transaction microseconds script seconds microseconds`. */
export function parseLog(log: string): InsertLatency {
  const millis = log.split("\n").filter((line) => line !== "")
    .map((line) => Number(line.split(" ")[2]) / 1000)
    .sort((a, b) => a - b);
  return {
    inserts: millis.length,
    p50Millis: percentile(millis, 50),
    p99Millis: percentile(millis, 99),
  };
}
