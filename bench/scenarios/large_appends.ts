/** Appends of a mebibyte beside INSERT of the same bytes by postgres.js (target 10). */
import { BINARY, createStream } from "../load/prepare.ts";
import { runScript } from "../load/scripts.ts";
import type { SqlResult, SqlTask } from "../load/sql_process.ts";
import { OFFICIAL, PENSTOCK } from "../servers/subjects.ts";
import { measured, throughput } from "./measured.ts";
import type { Context, Sample, Scenario } from "./scenario.ts";

const CONNECTIONS = 15;
const BYTES = 2 ** 20;

async function insert(context: Context): Promise<Sample> {
  const { subject, effort } = context;
  const task: SqlTask = {
    ...{ kind: "insert-megabytes", connections: CONNECTIONS, seconds: effort.seconds },
    url: subject.databaseUrl ?? "",
  };
  const { result, cpu } = await measured(context, async () => {
    const made = await runScript<SqlResult>("sql_process.ts", task);
    return { result: made, operations: made.operations, loadMicros: made.cpuMicros };
  });
  return { values: { rate: result.bytes / 1e6 / result.seconds, p50: result.p50Millis }, cpu };
}

export const largeAppends: readonly Scenario[] = [{
  id: "megabytes",
  title: "1 MB appends, 15 connections; PostgreSQL: INSERT by postgres.js",
  targets: [10],
  metrics: [
    { name: "rate", unit: "MB/s", better: "higher" },
    { name: "p50", unit: "ms", better: "lower" },
  ],
  subjects: ["postgres", ...PENSTOCK, ...OFFICIAL, "given"],
  notQuick: ["deno+embedded", "official-file", "official-memory"],
  async run(given) {
    // What is under way when the time is up is not counted, and a second is but a few of these.
    const effort = { ...given.effort, seconds: Math.max(3, given.effort.seconds) };
    const context = { ...given, effort };
    if (context.subject.id === "postgres") return await insert(context);
    const path = await createStream(context.subject.url, { prefix: "megabytes" });
    const request = { method: "POST", path, headers: BINARY, bodyBytes: BYTES } as const;
    const sample = await throughput(context, { ...request, connections: CONNECTIONS });
    const { rate = NaN, p50 = NaN } = sample.values;
    return { ...sample, values: { rate: rate * BYTES / 1e6, p50 } };
  },
}];
