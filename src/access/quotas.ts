/**
 * How much a tenant's namespace may hold. Appends write nothing for it: each node counts now and then
 * what is stored, and adds what it has itself accepted since. It knows what other nodes accept only
 * when it counts again, so several may together go beyond a quota by what they take in between.
 *
 * A namespace is counted before its first write on this node, then every two seconds while it is
 * written to. One count goes on at a time, in statements that each read a bounded number of streams,
 * and the namespace rests ten times as long as it took.
 */
import { LRUCache } from "lru-cache";
import type { AccessRefusal } from "../errors.ts";
import { Batcher } from "../lib/batcher.ts";
import { type Database, StatementTimeout } from "../storage/database.ts";
import { boundsOf, type Namespace, NO_NAMESPACE } from "./namespaces.ts";

/** What a namespace may hold; Infinity: anything. */
export interface Quota {
  readonly streams: number;
  readonly bytes: number;
}

export interface QuotaRules {
  /** Of every namespace that is not named; null: anything. */
  readonly general: Quota | null;
  readonly named: ReadonlyMap<Namespace, Quota>;
}

/** What a write takes. */
export type Amount = Quota;

/** Room that a write has taken. */
export interface Reservation {
  /** Once its outcome is known: what of it is stored, or may be. */
  settle(stored: Amount): void;
}

export const NOTHING: Amount = { streams: 0, bytes: 0 };

const COUNT = "select * from penstock.count_stored($1, $2, $3)";
/** Streams that one statement reads: 3 to 5 ms where they are in memory. */
const MOST_IN_STATEMENT = 2000;
/** Namespaces whose counts are remembered; those that wait for one. */
const MOST_REMEMBERED = 10_000;
const MOST_WAITING = 10_000;
/** How old a count may be before the next. Milliseconds. */
const COUNTED_MS = 2000;
/** A count that is older is none. Milliseconds. */
const FORGOTTEN_MS = 60_000;
/** How many times as long as a count took its namespace rests. */
const REST = 10;

interface Holding {
  readonly quota: Quota;
  counted: Amount;
  /** What has been stored since the count. */
  added: Amount;
  /** What is being stored. */
  reserved: Amount;
  /** As `performance.now()`, at its beginning. */
  countedAt: number;
  dueAt: number;
  counting: Promise<void> | null;
}

export class Quotas {
  readonly #database: Database;
  readonly #rules: QuotaRules;
  readonly #holdings = new LRUCache<Namespace, Holding>({ max: MOST_REMEMBERED });
  readonly #counts: Batcher<Namespace, Amount>;

  constructor(database: Database, rules: QuotaRules) {
    this.#database = database;
    this.#rules = rules;
    this.#counts = new Batcher({
      concurrency: 1,
      maxBatch: 1,
      maxWaiting: MOST_WAITING,
      run: async ([tenant]) => [await this.#count(tenant!)],
      failsWaiting: (error) => error instanceof StatementTimeout,
    });
  }

  /** Whether this tenant has a quota. */
  bounds(tenant: Namespace): boolean {
    return this.#quotaOf(tenant) !== null;
  }

  /**
   * Takes room for a write, or says why there is none.
   * @returns rejects with DatabaseUnavailable or Overloaded where the tenant has to be counted first
   */
  reserve(
    tenant: Namespace,
    wanted: Amount,
  ): Reservation | AccessRefusal | Promise<Reservation | AccessRefusal> {
    let holding = this.#holdings.get(tenant);
    if (holding === undefined) {
      const quota = this.#quotaOf(tenant);
      if (quota === null) return { settle: () => {} };
      const empty = { counted: NOTHING, added: NOTHING, reserved: NOTHING };
      holding = { quota, ...empty, countedAt: -Infinity, dueAt: -Infinity, counting: null };
      this.#holdings.set(tenant, holding);
    }
    const now = performance.now();
    const known = holding;
    if (now - known.countedAt > FORGOTTEN_MS) {
      return this.#recount(tenant, known).then(() => take(known, wanted));
    }
    // What is known stays good when the count fails.
    if (now >= known.dueAt) void this.#recount(tenant, known).catch(() => {});
    return take(known, wanted);
  }

  #quotaOf(tenant: Namespace): Quota | null {
    if (tenant === NO_NAMESPACE) return null;
    return this.#rules.named.get(tenant) ?? this.#rules.general;
  }

  #recount(tenant: Namespace, holding: Holding): Promise<void> {
    holding.counting ??= this.#counts.submit(tenant).then((counted) => {
      holding.counted = counted;
      const now = performance.now();
      holding.dueAt = now + Math.max(COUNTED_MS, REST * (now - holding.countedAt));
    }).finally(() => holding.counting = null);
    return holding.counting;
  }

  async #count(tenant: Namespace): Promise<Amount> {
    // Since the count was asked for, the holding may have gone.
    const holding = this.#holdings.get(tenant);
    const addedBefore = holding?.added ?? NOTHING;
    const began = performance.now();
    let streams = 0;
    let bytes = 0;
    const [first, stop] = boundsOf(tenant);
    let after: string | null = first;
    while (after !== null) {
      const [row]: CountRow[] = await this.#database.hedged<CountRow>(COUNT, [
        after,
        stop,
        MOST_IN_STATEMENT,
      ]);
      streams += row!.streams;
      bytes += row!.bytes;
      after = row!.next_after;
    }
    if (holding !== undefined) {
      holding.added = minus(holding.added, addedBefore);
      holding.countedAt = began;
    }
    return { streams, bytes };
  }
}

interface CountRow extends Amount {
  readonly next_after: string | null;
}

function take(holding: Holding, wanted: Amount): Reservation | AccessRefusal {
  const { quota, counted, added, reserved } = holding;
  for (const name of ["streams", "bytes"] as const) {
    const held = counted[name] + added[name] + reserved[name];
    if (wanted[name] > 0 && held + wanted[name] > quota[name]) {
      return { kind: "quota_exceeded", quota: name, limit: quota[name] };
    }
  }
  holding.reserved = plus(reserved, wanted);
  return {
    settle(stored) {
      holding.reserved = minus(holding.reserved, wanted);
      holding.added = plus(holding.added, stored);
    },
  };
}

function plus(one: Amount, other: Amount): Amount {
  return { streams: one.streams + other.streams, bytes: one.bytes + other.bytes };
}

function minus(one: Amount, other: Amount): Amount {
  return { streams: one.streams - other.streams, bytes: one.bytes - other.bytes };
}
