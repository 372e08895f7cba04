/** What PostgreSQL does without a Penstock in front, by postgres.js: the yardstick of some targets. */
import process from "node:process";
import postgres from "postgres";
import { percentile } from "../report/statistics.ts";

export type SqlTask =
  | { readonly kind: "insert"; readonly url: string; readonly seconds: number }
  | {
    readonly kind: "insert-megabytes";
    readonly url: string;
    readonly seconds: number;
    readonly connections: number;
  }
  | { readonly kind: "copy"; readonly url: string; readonly streamPath: string };

export interface SqlResult {
  readonly operations: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
  readonly cpuMicros: number;
}

type Outcome = Omit<SqlResult, "cpuMicros" | "seconds">;

const task = JSON.parse(process.argv[2] ?? "{}") as SqlTask;
const max = task.kind === "insert-megabytes" ? task.connections : 1;
const sql = postgres(task.url, { max, onnotice: () => {} });

async function insert(bytes: number, seconds: number): Promise<Outcome> {
  await sql`create table if not exists public.bench_rows (
    id bigint generated always as identity primary key, data bytea not null)`;
  await sql`alter table public.bench_rows alter column data set storage external`;
  const data = new Uint8Array(bytes).fill(120);
  const latencies: number[] = [];
  const work = async (until: number) => {
    while (performance.now() < until) {
      const since = performance.now();
      await sql`insert into public.bench_rows (data) values (${data})`;
      latencies.push(performance.now() - since);
    }
  };
  await work(performance.now() + 200); // connects and prepares
  latencies.length = 0;
  begin();
  const until = performance.now() + seconds * 1000;
  await Promise.all(Array.from({ length: max }, () => work(until)));
  latencies.sort((a, b) => a - b);
  return {
    operations: latencies.length,
    bytes: latencies.length * bytes,
    p50Millis: percentile(latencies, 50),
    p99Millis: percentile(latencies, 99),
  };
}

async function copy(streamPath: string): Promise<Outcome> {
  const name = streamPath.slice(streamPath.lastIndexOf("/") + 1);
  const [stream] = await sql<{ id: string }[]>`
    select id from penstock.streams where path like ${"%" + name}`;
  if (stream === undefined) throw new Error(`no stream ${streamPath}`);
  begin();
  const rows = await sql.unsafe(
    `copy (select data from penstock.segments where stream_id = ${Number(stream.id)}
       order by position) to stdout (format binary)`,
  ).readable();
  let bytes = 0;
  for await (const chunk of rows) bytes += (chunk as Uint8Array).length;
  return { operations: 1, bytes, p50Millis: NaN, p99Millis: NaN };
}

let begun = 0;
let cpu = process.cpuUsage();
function begin(): void {
  begun = performance.now();
  cpu = process.cpuUsage();
}

const outcome = task.kind === "copy"
  ? await copy(task.streamPath)
  : await insert(task.kind === "insert" ? 100 : 2 ** 20, task.seconds);
const seconds = (performance.now() - begun) / 1000;
const used = process.cpuUsage(cpu);
const result: SqlResult = { ...outcome, seconds, cpuMicros: used.user + used.system };
console.log(JSON.stringify(result));
await sql.end();
