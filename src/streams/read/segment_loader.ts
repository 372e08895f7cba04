/** Loads ranges of segments from the database, with one load per range in flight and few in all. */
import { yieldToEventLoop } from "../../lib/event_loop.ts";
import type { ReferenceCounts } from "../../lib/reference_counts.ts";
import { Semaphore } from "../../lib/semaphore.ts";
import { measurements } from "../../lib/telemetry/measurements.ts";
import { WAITING } from "../../limits.ts";
import { Overloaded } from "../../errors.ts";
import type { Database } from "../../storage/database.ts";
import type { CatchUpCache } from "./catch_up_cache.ts";
import { LARGE_LOAD_BYTES } from "./page_plan.ts";
import type { SegmentCache } from "./segment_cache.ts";
import { readSegments, scanSegments } from "./segments.ts";

export interface SegmentLoaderParts {
  readonly database: Database;
  /** The cache for small loads. */
  readonly segmentCache: SegmentCache;
  /** The cache for large loads. */
  readonly catchUpCache: CatchUpCache;
  readonly buffers: ReferenceCounts;
}

/** One load in flight; each waiter takes a reference to its bytes. */
interface Load {
  waiters: number;
  readonly bytes: Promise<Uint8Array>;
}

export class SegmentLoader {
  readonly #parts: SegmentLoaderParts;
  /**
   * Allows half of the connections, so that catch-up readers cannot take those that appends need.
   */
  readonly #semaphore: Semaphore;
  readonly #loads = new Map<string, Load>();

  constructor(parts: SegmentLoaderParts) {
    this.#parts = parts;
    this.#semaphore = new Semaphore({
      concurrency: Math.max(1, parts.database.concurrency >> 1),
      maxWaiting: WAITING.segmentLoads,
      onFull: () => new Overloaded("too many reads wait for the database", "read_queue"),
    });
    const value = () => this.#semaphore.waiting;
    measurements.queues.set("segment_loads", { value, limit: WAITING.segmentLoads });
  }

  /** How many loads are in flight or waiting. */
  get inFlight(): number {
    return this.#loads.size;
  }

  /**
   * The bytes of stream `id` from `start` to `stop` at most: a load ends where a segment does. The
   * caller gets a reference to them, which it has to release.
   * @throws Refused `not_found` when they are being reaped, Overloaded, DatabaseUnavailable
   */
  load(id: number, start: number, stop: number): Promise<Uint8Array> {
    const key = `${id} ${start} ${stop}`;
    const inFlight = this.#loads.get(key);
    if (inFlight !== undefined) {
      inFlight.waiters++;
      return inFlight.bytes;
    }
    // A reader that arrives after this finds the bytes in a cache.
    const end = (): number => {
      if (this.#loads.get(key) === load) this.#loads.delete(key);
      return load.waiters;
    };
    const bytes = this.#semaphore.run(() => this.#query(id, start, stop, end));
    const load: Load = { waiters: 1, bytes };
    this.#loads.set(key, load);
    bytes.catch(end);
    return bytes;
  }

  /** @param end removes the load from those in flight, and returns how many readers wait for it */
  async #query(id: number, start: number, stop: number, end: () => number): Promise<Uint8Array> {
    const { database, segmentCache, catchUpCache, buffers } = this.#parts;
    // An embedded database blocks this thread, so requests that have arrived are read first.
    await yieldToEventLoop();
    const large = stop - start > LARGE_LOAD_BYTES;
    const { first, bytes } = large
      ? await scanSegments(database, id, start, stop)
      : await readSegments(database, id, start, stop);
    const waiters = end();
    if (large) {
      buffers.retain(bytes, waiters);
      catchUpCache.insert(id, first, bytes);
    } else {
      segmentCache.insert(id, first, bytes);
    }
    return bytes.subarray(start - first, stop - first);
  }
}
