/** The workload: a number of streams at once, and a new one whenever the lifecycle of one ends. */
import { runLifecycle } from "./lifecycle.ts";
import type { RemainingStream } from "./owner.ts";
import type { Random } from "./random.ts";
import type { RunState } from "./run_state.ts";
import { sleep } from "./run_state.ts";

export interface WorkloadOptions {
  /** How many lifecycles run at once. */
  readonly streams: number;
  /** About how long one lifetime is. Milliseconds. */
  readonly duration: number;
}

/** Runs until the run is ending. Resolves with the streams that remain. */
export async function work(
  run: RunState,
  options: WorkloadOptions,
  random: Random,
): Promise<RemainingStream[]> {
  const remaining: RemainingStream[] = [];
  let last = 0;
  const worker = async (own: Random, index: number) => {
    await sleep(index * 150);
    while (!run.ending) {
      const path = `torture/${++last}`;
      remaining.push(...await runLifecycle(run, { path, duration: options.duration }, own));
    }
  };
  const workers = Array.from({ length: options.streams }, (_, at) => worker(random.fork(), at));
  await Promise.all(workers);
  return remaining;
}
