/** A large stream from its beginning, in pages, beside COPY of the same rows (target 9). */
import type { CatchUpResult, CatchUpTask } from "../load/catch_up_process.ts";
import { createStream, fillStream } from "../load/prepare.ts";
import { runScript } from "../load/scripts.ts";
import type { SqlResult, SqlTask } from "../load/sql_process.ts";
import { peakResidentBytes, resetPeak, residentBytes } from "../servers/proc.ts";
import type { Storage } from "../servers/fleet.ts";
import { type SubjectId, SUBJECTS } from "../servers/subjects.ts";
import { measured } from "./measured.ts";
import type { Context, Effort, Metric, Sample, Scenario } from "./scenario.ts";

const MEBIBYTE = 2 ** 20;
const RATE: Metric = { name: "rate", unit: "MB/s", better: "higher" };
const GROWTH: Metric = { name: "growth", unit: "MiB", better: "lower" };

function streamBytes(effort: Effort): number {
  return (effort.large ? 1024 : effort.quick ? 64 : 256) * MEBIBYTE;
}

interface Filled {
  readonly storage: Storage;
  readonly path: string;
}

/** The same stream for both scenarios, all rounds, and COPY. */
function filled(context: Context, id: SubjectId): Promise<Filled> {
  const { fleet, effort } = context;
  return context.once(`large ${id}`, async () => {
    const storage = await fleet.storage(id.endsWith("postgres") ? "postgres" : "embedded");
    const path = await fleet.withFresh(id, ({ url }) => fill(url, effort), storage);
    return { storage, path };
  }, "run");
}

async function fill(url: string, effort: Effort): Promise<string> {
  const path = await createStream(url, { prefix: "large" });
  await fillStream(url, path, streamBytes(effort));
  return path;
}

async function copy(context: Context): Promise<Sample> {
  const { storage, path } = await filled(context, "deno+postgres");
  context.fleet.quiet();
  const url = "url" in storage.database ? storage.database.url : "";
  const task: SqlTask = { kind: "copy", url, streamPath: path };
  const { result, cpu } = await measured(context, async () => {
    const made = await runScript<SqlResult>("sql_process.ts", task);
    return { result: made, operations: made.bytes / MEBIBYTE, loadMicros: made.cpuMicros };
  });
  return { values: { rate: result.bytes / 1e6 / result.seconds }, cpu };
}

/** By a node that has just started: one that wrote the stream has much of it in memory. */
async function catchUp(context: Context, readers: number): Promise<Sample> {
  const { fleet, effort } = context;
  const { id, url } = context.subject;
  if (id === "given") {
    const path = await context.once("large given", () => fill(url, effort), "run");
    return await read(context, { path, readers });
  }
  const { storage, path } = await filled(context, id);
  return await fleet.withFresh(
    id,
    (subject) => read({ ...context, subject }, { path, readers }),
    storage,
  );
}

async function read(
  context: Context,
  { path, readers }: Pick<CatchUpTask, "path" | "readers">,
): Promise<Sample> {
  const { subject, effort } = context;
  const { pid, url } = subject;
  // Another stream first: what grows once, on the first request, is not the catch-up's.
  await createStream(url, { prefix: "first" });
  const before = pid === undefined ? undefined : residentBytes(pid);
  if (pid !== undefined) resetPeak(pid);
  const task: CatchUpTask = { url, path, readers };
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
    notQuick: ["deno+embedded"],
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
