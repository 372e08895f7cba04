/** The baseline, measured before any fault: wake-ups across nodes, and fairness between two nodes. */
import { Follower } from "./follower.ts";
import { Random } from "./random.ts";
import { type RunState, sleep } from "./run_state.ts";
import type { StreamName } from "./stream_name.ts";

const APPENDS = 60;
const GAP_MS = 37;
const WRITERS_PER_NODE = 4;
const RACE_MS = 2000;

export interface Baseline {
  /**
   * From the ack at one node to the event at another, sorted. Milliseconds; negative when the event
   * came first.
   */
  readonly wakeups: readonly number[];
  /** Appends that each of two nodes had acked on one stream in the same time. */
  readonly split: readonly [number, number];
}

/** Needs two nodes. */
export async function measure(run: RunState): Promise<Baseline> {
  return { wakeups: await wakeups(run), split: await race(run) };
}

/** @param sorted from small to large */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

async function wakeups(run: RunState): Promise<number[]> {
  const name = await newStream(run, "baseline/wakeups");
  const writer = run.client("baseline");
  const acked = new Map<number, number>();
  const seen = new Map<number, number>();
  const follower = new Follower(run.client("baseline-follower"), name, 0, new Random(1));
  follower.onRead = (read) => {
    for (const record of read.records) seen.set(record, read.completed);
  };
  const following = follower.sse(1, 60_000);
  for (let count = 0; count < APPENDS; count++) {
    const record = run.history.newRecord(name.path, 1, 100);
    const done = await writer.append(0, name, { record });
    acked.set(record.id, done.completed);
    // The gap is no divisor of a second, so that appends do not all fall just before a poll.
    await sleep(GAP_MS);
  }
  const limit = performance.now() + 5000;
  while (seen.size < APPENDS && performance.now() < limit) await sleep(20);
  follower.interrupt();
  await following;
  return [...seen].map(([record, at]) => at - acked.get(record)!).sort((a, b) => a - b);
}

/** Two nodes write one stream, each as fast as it can. */
async function race(run: RunState): Promise<[number, number]> {
  const name = await newStream(run, "baseline/race");
  const until = performance.now() + RACE_MS;
  const acks: [number, number] = [0, 0];
  const write = async (node: 0 | 1) => {
    const client = run.client("racer");
    while (performance.now() < until) {
      const record = run.history.newRecord(name.path, 1, 20);
      const done = await client.append(node, name, { record });
      if (done.outcome === "ok" && done.completed < until) acks[node]++;
    }
  };
  const writers = ([0, 1] as const).flatMap((node) =>
    Array.from({ length: WRITERS_PER_NODE }, () => write(node))
  );
  await Promise.all(writers);
  return acks;
}

async function newStream(run: RunState, path: string): Promise<StreamName> {
  const name = { path, contentType: "text/plain", incarnation: 1 };
  const made = await run.client("baseline").create(0, name);
  if (made.outcome !== "ok") throw new Error(`could not create ${path}: ${made.reason}`);
  return name;
}
