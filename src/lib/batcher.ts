/**
 * Batches: what waits while one is in progress goes together with the next. There is no timer: the
 * batches in progress are the clock, so a lone item waits for nothing and a thousand share a trip.
 */
import { Overloaded } from "../errors.ts";
import { yieldToEventLoop } from "./event_loop.ts";

export interface BatcherOptions<Item, Result> {
  /** Batches in progress at once. */
  readonly concurrency: number;
  /**
   * Items that may wait; the one after them is refused with the error of `onFull`. Default: no
   * bound, for callers that bound what they submit.
   */
  readonly maxWaiting?: number;
  /** Default: `Overloaded`. */
  readonly onFull?: () => Error;
  /** Runs a batch. Resolves to one result for each item, in their order. */
  readonly run: (batch: readonly Item[]) => Promise<readonly Result[]>;
  /** Items in one batch, at most, the longest waiting first. Default: no bound. */
  readonly maxBatch?: number;
  /**
   * Chooses the next batch from the items that wait, at least one of them, where more than their
   * number matters. Default: all, or the first `maxBatch`.
   */
  readonly select?: (waiting: readonly Item[]) => readonly Item[];
  /**
   * Whether an error of a batch fails those that wait behind it too. A statement that timed out
   * does: they have waited as long as it, and nobody should wait for two time limits.
   */
  readonly failsWaiting?: (error: unknown) => boolean;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export class Batcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #inProgress = 0;
  #flushScheduled = false;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** Items that are not in a batch yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * The item's result, from a batch that begins after this call.
   * @throws the error of `onFull`, or what `run` throws
   */
  submit(item: Item): Promise<Result> {
    const { maxWaiting = Infinity, onFull } = this.#options;
    if (this.#waiting.length >= maxWaiting) {
      return Promise.reject(onFull?.() ?? new Overloaded("too many requests wait"));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#scheduleFlush();
    });
  }

  #scheduleFlush(): void {
    const full = this.#inProgress >= this.#options.concurrency;
    if (this.#flushScheduled || full || this.#waiting.length === 0) return;
    this.#flushScheduled = true;
    // Requests whose bytes have arrived are read first and go along: a batch that left at once
    // would be a batch of one, with everything else waiting for its whole round trip.
    yieldToEventLoop().then(() => {
      this.#flushScheduled = false;
      this.#inProgress++;
      this.#run(this.#take()).finally(() => {
        this.#inProgress--;
        this.#scheduleFlush();
      });
      this.#scheduleFlush();
    });
  }

  #take(): Waiting<Item, Result>[] {
    const waiting = this.#waiting;
    const { select, maxBatch = Infinity } = this.#options;
    if (select === undefined) {
      if (waiting.length > maxBatch) return waiting.splice(0, maxBatch);
      this.#waiting = [];
      return waiting;
    }
    const chosen = select(waiting.map(({ item }) => item));
    if (chosen.length === waiting.length) {
      this.#waiting = [];
      return waiting;
    }
    const selected = new Set(chosen);
    this.#waiting = waiting.filter(({ item }) => !selected.has(item));
    return waiting.filter(({ item }) => selected.has(item));
  }

  async #run(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, at) => resolve(results[at]!));
    } catch (error) {
      if (this.#options.failsWaiting?.(error)) batch.push(...this.#waiting.splice(0));
      for (const { reject } of batch) reject(error);
    }
  }
}
