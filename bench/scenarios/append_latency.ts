/** One connection, one append after another, beside a single-row insert (target 6). */
import { BINARY, createStream } from "../load/prepare.ts";
import { pgbenchAvailable, pgbenchInsert } from "../load/pgbench.ts";
import { load } from "../load/request_load.ts";
import { runScript } from "../load/scripts.ts";
import type { SqlResult, SqlTask } from "../load/sql_process.ts";
import { PENSTOCK } from "../servers/subjects.ts";
import { loaded, measured } from "./measured.ts";
import type { Context, Sample, Scenario } from "./scenario.ts";

type Latency = Pick<SqlResult, "p50Millis" | "p99Millis">;

async function insert(context: Context): Promise<Sample> {
  const { subject, effort } = context;
  const url = subject.databaseUrl ?? "";
  const { result, cpu } = await measured<Latency>(context, async () => {
    if (await pgbenchAvailable()) {
      const made = await pgbenchInsert(url, effort.seconds);
      return { result: made, operations: made.inserts };
    }
    const task: SqlTask = { kind: "insert", url, seconds: effort.seconds };
    const made = await runScript<SqlResult>("sql_process.ts", task);
    return { result: made, operations: made.operations, loadMicros: made.cpuMicros };
  });
  return { values: { p50: result.p50Millis, p99: result.p99Millis }, cpu };
}

export const appendLatency: readonly Scenario[] = [{
  id: "latency",
  title: "append latency, one connection; PostgreSQL: a single-row insert",
  targets: [6],
  metrics: [
    { name: "p50", unit: "ms", better: "lower" },
    { name: "p99", unit: "ms", better: "lower" },
  ],
  subjects: ["postgres", "empty-deno", ...PENSTOCK, "official-file", "given"],
  notQuick: ["deno+embedded", "binary+embedded", "official-file"],
  async run(context) {
    const { subject } = context;
    if (subject.id === "postgres") return await insert(context);
    const path = await createStream(subject.url, { prefix: "latency" });
    const request = { method: "POST", path, headers: BINARY, bodyBytes: 100 } as const;
    return await loaded(context, { ...request, connections: 1, generate: load });
  },
}];
