/**
 * Appends of 20 bytes by one writer, one after another, as an AI writes tokens: what they take on
 * disk, and how fast they are read beside the same bytes in large segments. Printed by
 * bench/report/small_appends.ts.
 */
import type { CatchUpResult, CatchUpTask } from "../load/catch_up_process.ts";
import { BINARY, closeStream, createStream, fillStream } from "../load/prepare.ts";
import { ownLoad } from "../load/request_load.ts";
import { runScript } from "../load/scripts.ts";
import { median } from "../report/statistics.ts";
import { type Size, sizeOf } from "../servers/disk.ts";
import type { Storage } from "../servers/fleet.ts";
import type { Context, Metric, Sample, Scenario } from "./scenario.ts";

const BYTES = 20;
const APPEND = { method: "POST", headers: BINARY, bodyBytes: BYTES, connections: 1 } as const;
const LIMIT_SECONDS = 3600;
/** As long as a server is given to merge the rows of a stream that was closed. */
const SETTLE_SECONDS = { quick: 5, full: 60 } as const;

/** What was added since, for each byte that was appended. */
function grown(when: string, [before, after]: readonly [Size, Size], bytes: number) {
  const values: Record<string, number> = {};
  for (const part of ["rows", "index", "disk", "wal"] as const) {
    const [from, to] = [before[part], after[part]];
    if (from !== undefined && to !== undefined) values[`${part} ${when}`] = (to - from) / bytes;
  }
  const { segments } = after;
  if (segments !== undefined) values[`segments ${when}`] = segments - (before.segments ?? 0);
  return values;
}

interface Written {
  readonly small: string;
  readonly large: string;
  readonly values: Record<string, number>;
}

async function write(context: Context, url: string, storage: Storage): Promise<Written> {
  const { quick } = context.effort;
  const count = appendsOf(context);
  const warm = await createStream(url, { prefix: "warm" });
  await ownLoad({ ...APPEND, url, path: warm, count: 1000, seconds: LIMIT_SECONDS });
  const small = await createStream(url, { prefix: "small" });
  const before = await sizeOf(storage);
  const load = { ...APPEND, url, path: small, count, seconds: LIMIT_SECONDS };
  const { requests, seconds, p99Millis } = await ownLoad(load);
  if (requests !== count) throw new Error(`${requests} appends of ${count}`);
  const written = await sizeOf(storage);
  await closeStream(url, small);
  const settle = quick ? SETTLE_SECONDS.quick : SETTLE_SECONDS.full;
  await new Promise((resolve) => setTimeout(resolve, settle * 1000));
  const settled = await sizeOf(storage);
  const bytes = count * BYTES;
  const large = await createStream(url, { prefix: "large" });
  await fillStream(url, large, bytes);
  const values = {
    ...{ rate: requests / seconds, p99: p99Millis },
    ...grown("written", [before, written], bytes),
    ...grown("settled", [before, settled], bytes),
  };
  return { small, large, values };
}

/** By a node that has just started, whose caches are empty: MB/s of the one and of the other. */
async function readBack(
  context: Context,
  { small, large, storage }: Pick<Written, "small" | "large"> & { storage: Storage },
): Promise<{ small: number; large: number }> {
  const bytes = appendsOf(context) * BYTES;
  return await context.fleet.withFresh(context.subject.id, async ({ url }) => {
    const warm = await createStream(url, { prefix: "warm" });
    await fillStream(url, warm, bytes);
    const read = async (path: string): Promise<number> => {
      const task: CatchUpTask = { url, path, readers: 1 };
      const result = await runScript<CatchUpResult>("catch_up_process.ts", task);
      if (result.bytes !== bytes) throw new Error(`${result.bytes} bytes were read of ${bytes}`);
      return result.bytes / 1e6 / result.seconds;
    };
    for (let n = 0; n < 3; n++) await read(warm);
    const [smallRate, largeRate] = [await read(small), await read(large)];
    return { small: smallRate, large: largeRate };
  }, storage);
}

async function run(context: Context): Promise<Sample> {
  const { subject: { id, onPostgres }, fleet, effort } = context;
  const storage = await fleet.storage(onPostgres ? "postgres" : "embedded");
  try {
    const made = await fleet.withFresh(id, ({ url }) => write(context, url, storage), storage);
    const reads: { small: number; large: number }[] = [];
    for (let n = 0; n < (effort.quick ? 3 : 9); n++) {
      reads.push(await readBack(context, { ...made, storage }));
    }
    const small = median(reads.map((read) => read.small));
    const large = median(reads.map((read) => read.large));
    return { values: { ...made.values, small, large, ratio: small / large } };
  } finally {
    await storage.remove();
  }
}

function appendsOf({ effort }: Context): number {
  return effort.quick ? 10_000 : 100_000;
}

const METRICS: readonly Metric[] = [
  { name: "rate", unit: "req/s", better: "higher" },
  { name: "p99", unit: "ms", better: "lower" },
  ...["written", "settled"].flatMap((when): Metric[] => [
    { name: `rows ${when}`, unit: "x", better: "lower" },
    { name: `index ${when}`, unit: "x", better: "lower" },
    { name: `disk ${when}`, unit: "x", better: "lower" },
    { name: `wal ${when}`, unit: "x", better: "lower" },
    { name: `segments ${when}`, unit: "rows", better: "lower" },
  ]),
  { name: "small", unit: "MB/s", better: "higher" },
  { name: "large", unit: "MB/s", better: "higher" },
  { name: "ratio", unit: "x", better: "higher" },
];

export const smallAppends: readonly Scenario[] = [{
  id: "small-appends",
  title: "100,000 appends of 20 bytes by one writer (10,000 with --quick)",
  targets: [],
  metrics: METRICS,
  subjects: ["binary+postgres", "binary+embedded"],
  maxRounds: 1,
  onlyNamed: true,
  run,
}];
