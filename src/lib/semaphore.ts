/** Lets so much work be under way at once; the rest waits its turn, and not without bound. */
import { Overloaded } from "../errors.ts";

export class Semaphore {
  readonly #lanes: number;
  readonly #mostWaiting: number;
  #busy = 0;
  #waiting: (() => void)[] = [];

  constructor(lanes: number, mostWaiting: number) {
    this.#lanes = lanes;
    this.#mostWaiting = mostWaiting;
  }

  /** @throws Overloaded when too many wait; else what `work` throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy < this.#lanes) {
      this.#busy++;
    } else {
      if (this.#waiting.length >= this.#mostWaiting) {
        throw new Overloaded("too many reads wait for the database");
      }
      // Who ends hands the lane on: `busy` stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy--;
      else next();
    }
  }
}
