/**
 * What requests present, looked up in the database: one query at a time, for all that is presented
 * meanwhile, so that made-up tokens and keys cannot fill the pool.
 */
import { Overloaded } from "../errors.ts";
import { Batcher } from "../lib/batcher.ts";
import { StatementTimeout } from "../storage/database.ts";

/** Keys that one query finds, and that wait for the next. */
const MOST_IN_BATCH = 1000;
const MOST_WAITING = 10_000;

export interface LookupsOptions<Found> {
  /** What is verified by it, for the message when too many wait: `tokens`. */
  readonly what: string;
  /** Finds what there is of these keys, which are distinct. */
  readonly find: (keys: readonly string[]) => Promise<ReadonlyMap<string, Found>>;
}

/** Submitting a key resolves with what it leads to, or null. */
export function createLookups<Found>(
  { what, find }: LookupsOptions<Found>,
): Batcher<string, Found | null> {
  return new Batcher({
    concurrency: 1,
    maxBatch: MOST_IN_BATCH,
    maxWaiting: MOST_WAITING,
    onFull: () => new Overloaded(`too many ${what} are being verified`),
    async run(keys) {
      const found = await find([...new Set(keys)]);
      return keys.map((key) => found.get(key) ?? null);
    },
    failsWaiting: (error) => error instanceof StatementTimeout,
  });
}
