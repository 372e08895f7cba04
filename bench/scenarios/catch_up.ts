/** A large stream from its beginning, in pages, beside COPY of the same rows (target 9). */
import type { CatchUpResult, CatchUpTask } from "../load/catch_up_process.ts";
import { createStream, fillStream } from "../load/prepare.ts";
import { runScript } from "../load/scripts.ts";
import type { SqlResult, SqlTask } from "../load/sql_process.ts";
import { peakResidentBytes, resetPeak, residentBytes } from "../servers/proc.ts";
import { type Subject, SUBJECTS } from "../servers/subjects.ts";
import { measured } from "./measured.ts";
import type { Context, Effort, Metric, Sample, Scenario } from "./scenario.ts";

const MEBIBYTE = 2 ** 20;
const RATE: Metric = { name: "rate", unit: "MB/s", better: "higher" };
const GROWTH: Metric = { name: "growth", unit: "MiB", better: "lower" };

function streamBytes(effort: Effort): number {
  return (effort.large ? 1024 : effort.quick ? 64 : 256) * MEBIBYTE;
}

/** The same stream for both scenarios, all rounds, and COPY. */
function filled(context: Context, subject: Subject): Promise<string> {
  return context.once(`large ${subject.id}`, async () => {
    const path = await createStream(subject.url, { prefix: "large" });
    await fillStream(subject.url, path, streamBytes(context.effort));
    return path;
  }, "run");
}

async function copy(context: Context): Promise<Sample> {
  const { fleet } = context;
  const penstock = await fleet.alone("deno+postgres");
  const streamPath = await filled(context, penstock);
  fleet.quiet();
  const task: SqlTask = { kind: "copy", url: penstock.databaseUrl ?? "", streamPath };
  const { result, cpu } = await measured(context, async () => {
    const made = await runScript<SqlResult>("sql_process.ts", task);
    return { result: made, operations: made.bytes / MEBIBYTE, loadMicros: made.cpuMicros };
  });
  return { values: { rate: result.bytes / 1e6 / result.seconds }, cpu };
}

async function catchUp(context: Context, readers: number): Promise<Sample> {
  const { subject, effort } = context;
  const path = await filled(context, subject);
  const task: CatchUpTask = { url: subject.url, path, readers };
  const { pid } = subject;
  const before = pid === undefined ? undefined : residentBytes(pid);
  if (pid !== undefined) resetPeak(pid);
  const { result, cpu } = await measured(context, async () => {
    const made = await runScript<CatchUpResult>("catch_up_process.ts", task);
    return { result: made, operations: made.bytes / MEBIBYTE, loadMicros: made.cpuMicros };
  });
  if (result.bytes !== readers * streamBytes(effort)) {
    throw new Error(`${result.bytes} bytes were read of ${readers * streamBytes(effort)}`);
  }
  const peak = pid === undefined ? undefined : peakResidentBytes(pid);
  const growth = before === undefined || peak === undefined ? {} : {
    growth: Math.max(0, peak - before) / MEBIBYTE,
  };
  return { values: { rate: result.bytes / 1e6 / result.seconds, ...growth }, cpu };
}

export const catchUps: readonly Scenario[] = [
  {
    id: "catch-up",
    title: `catch-up of a large stream, one reader; ${SUBJECTS.postgres}: COPY`,
    targets: [9],
    metrics: [RATE, GROWTH],
    subjects: ["postgres", "deno+postgres", "binary+postgres", "deno+embedded", "given"],
    run: (context) => context.subject.id === "postgres" ? copy(context) : catchUp(context, 1),
  },
  {
    id: "catch-up-16",
    title: "the same, 16 readers at once",
    targets: [9],
    metrics: [RATE, GROWTH],
    subjects: ["deno+postgres", "binary+postgres", "given"],
    maxRounds: 3,
    run: (context) => catchUp(context, 16),
  },
];
