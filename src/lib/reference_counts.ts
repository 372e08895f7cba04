/**
 * Who needs a large buffer. One that nobody needs is freed there and then: left to the collector,
 * V8 lets 64 MiB of pages gather, and to collect them costs more than to read them from the database.
 *
 * A buffer that somebody never gives up is left to the collector, so whoever forgets loses nothing.
 * Whoever gives up and looks again sees that there are no bytes, never another's.
 */
export class ReferenceCounts {
  readonly #counts = new WeakMap<ArrayBufferLike, number>();

  /** One more needs the buffer of these bytes. */
  hold(bytes: Uint8Array, times = 1): void {
    this.#counts.set(bytes.buffer, (this.#counts.get(bytes.buffer) ?? 0) + times);
  }

  /** One of those who held them does so no longer. Of what nobody held, nothing. */
  release(bytes: Uint8Array): void {
    const count = this.#counts.get(bytes.buffer);
    if (count === undefined) return;
    if (count > 1) {
      this.#counts.set(bytes.buffer, count - 1);
      return;
    }
    this.#counts.delete(bytes.buffer);
    free(bytes);
  }
}

/** Gives memory back. The buffer has no bytes afterwards, and neither has any view of it. */
export function free(bytes: Uint8Array): void {
  (bytes.buffer as ArrayBuffer).transfer(0);
}
