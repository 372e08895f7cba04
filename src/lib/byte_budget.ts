/**
 * A bound on the bytes held in memory at once. It only counts: a caller that has taken bytes from
 * the budget has to give them back.
 */
export class ByteBudget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /**
   * Whether so many bytes may be held in addition. The only caller always may, however many: what
   * is larger than the whole budget passes when nothing else is held, rather than never.
   *
   * @param share the part of the budget, up to 1, that is open to the caller
   * @param held how many bytes the caller holds already
   */
  take(bytes: number, share = 1, held = 0): boolean {
    if (this.#used > held && this.#used + bytes > this.#limit * share) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
