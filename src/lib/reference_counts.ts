/**
 * Counts the references to large buffers, and frees a buffer with its last reference. Left to the
 * garbage collector, 256 MB of catch-up grew a node by 116 to 139 MiB instead of 30 to 47, on both
 * runtimes; see docs/decisions.md.
 *
 * A reference that is never released only leaves its buffer to the collector. A read from a buffer
 * after its release sees no bytes, and never those of another buffer.
 */
export class ReferenceCounts {
  readonly #counts = new WeakMap<ArrayBufferLike, number>();

  /** Adds references to the buffer of these bytes. */
  retain(bytes: Uint8Array, references = 1): void {
    this.#counts.set(bytes.buffer, (this.#counts.get(bytes.buffer) ?? 0) + references);
  }

  /**
   * Gives one reference up; the last one frees the buffer. What was never retained is left alone.
   */
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
