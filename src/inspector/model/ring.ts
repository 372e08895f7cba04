/**
 * The newest items of a series without an end. Each item has a number that stays: what is dropped
 * in front of it does not change it.
 */
export class Ring<T> {
  #items: T[] = [];
  /** Of the item at index 0 of `#items`. */
  #first = 0;
  #weight = 0;
  readonly #most: number;
  readonly #heaviest: number;
  readonly #weigh: (item: T) => number;

  /**
   * @param most how many items are kept
   * @param heaviest the sum of their weights, at most; a single item may have more
   */
  constructor({ most, heaviest = Infinity, weigh = () => 0 }: {
    readonly most: number;
    readonly heaviest?: number;
    readonly weigh?: (item: T) => number;
  }) {
    this.#most = most;
    this.#heaviest = heaviest;
    this.#weigh = weigh;
  }

  /** The number of the oldest item that is kept. */
  get first(): number {
    return this.#first;
  }

  get length(): number {
    return this.#items.length;
  }

  get weight(): number {
    return this.#weight;
  }

  /** Gives the oldest item another number, and with it all. */
  renumber(first: number): void {
    this.#first = first;
  }

  /** By its place among those that are kept. */
  at(index: number): T | undefined {
    return this.#items[index];
  }

  push(items: readonly T[]): void {
    for (const item of items) {
      this.#items.push(item);
      this.#weight += this.#weigh(item);
    }
    let drop = 0;
    while (
      this.#items.length - drop > 1 &&
      (this.#items.length - drop > this.#most || this.#weight > this.#heaviest)
    ) {
      this.#weight -= this.#weigh(this.#items[drop]!);
      drop++;
    }
    if (drop > 0) {
      this.#items = this.#items.slice(drop);
      this.#first += drop;
    }
  }

  /** Puts older items in front, as many as there is room for. Returns how many were taken. */
  unshift(items: readonly T[]): number {
    const room = Math.max(0, this.#most - this.#items.length);
    const taken = room >= items.length ? items : items.slice(items.length - room);
    this.#items = [...taken, ...this.#items];
    for (const item of taken) this.#weight += this.#weigh(item);
    this.#first -= taken.length;
    return taken.length;
  }

  /** Replaces the newest item. */
  replaceLast(item: T): void {
    const last = this.#items.length - 1;
    if (last < 0) return;
    this.#weight += this.#weigh(item) - this.#weigh(this.#items[last]!);
    this.#items[last] = item;
  }
}
