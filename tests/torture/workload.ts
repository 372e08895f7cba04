/** Streams that come and go: so many lives at once, a new one whenever one ends. */
import { career } from "./careers.ts";
import type { Survivor } from "./owner.ts";
import type { Random } from "./random.ts";
import type { RunState } from "./run_state.ts";
import { sleep } from "./run_state.ts";

export interface WorkloadOptions {
  /** Lives at once. */
  readonly streams: number;
  /** Of one life, about. Milliseconds. */
  readonly duration: number;
}

/** Goes on until the run is ending; resolves with the streams that are left. */
export async function work(
  run: RunState,
  options: WorkloadOptions,
  random: Random,
): Promise<Survivor[]> {
  const survivors: Survivor[] = [];
  let last = 0;
  const lane = async (own: Random, lane: number) => {
    await sleep(lane * 150);
    while (!run.ending) {
      const path = `torture/${++last}`;
      survivors.push(...await career(run, { path, duration: options.duration }, own));
    }
  };
  const lanes = Array.from({ length: options.streams }, (_, at) => lane(random.fork(), at));
  await Promise.all(lanes);
  return survivors;
}
