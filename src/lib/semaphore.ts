/** Lets so much work run at once; the rest waits its turn in order, and not without bound. */

export interface SemaphoreOptions {
  /** How much work runs at once. */
  readonly concurrency: number;
  /** How much may wait; what comes after it is refused with the error of `onFull`. */
  readonly maxWaiting: number;
  readonly onFull: () => Error;
}

export class Semaphore {
  readonly #options: SemaphoreOptions;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(options: SemaphoreOptions) {
    this.#options = options;
  }

  /** Work that waits its turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws the error of `onFull` when too much waits; else what `work` throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const { concurrency, maxWaiting, onFull } = this.#options;
    if (this.#running < concurrency) {
      this.#running++;
    } else {
      if (this.#waiting.length >= maxWaiting) throw onFull();
      // Work that ends hands its place to the next: `#running` stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
