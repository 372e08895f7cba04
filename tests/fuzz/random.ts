/** Random choices that are the same for the same seed, whatever else the process does. */

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;
  /** Cases that are near each other have it in common. */
  readonly generation: number;

  /** One sequence for each seed and each case: a case can be repeated without those before it. */
  constructor(seed: number, index = 0) {
    this.#a = seed >>> 0;
    this.#b = index >>> 0;
    this.generation = index >>> 13;
    this.#c = 0x9e3779b9;
    for (let turn = 0; turn < 12; turn++) this.next();
  }

  /** A whole number from 0 to 2^32-1 (sfc32). */
  next(): number {
    const sum = (this.#a + this.#b + this.#count++) >>> 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return this.next() % limit;
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** One of a list of weights and values. */
  weighted<T>(list: readonly (readonly [weight: number, value: T])[]): T {
    let at = this.below(list.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, value] of list) {
      if (at < weight) return value;
      at -= weight;
    }
    throw new Error("weights are whole numbers, one of them above 0");
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.next() >>> 11;
    return bytes;
  }

  /** Small as a rule, up to `most` now and then. */
  size(most: number): number {
    return this.below(1 + this.below(1 + this.below(most + 1)));
  }
}
