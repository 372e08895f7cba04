/**
 * What catch-up reads load, cached apart for readers who replay the same stream at about the same
 * time: one long replay must not drive out what followers wait for.
 */
import { CACHED_BYTES } from "../../limits.ts";
import type { ReferenceCounts } from "../../lib/reference_counts.ts";
import { SegmentCache } from "./segment_cache.ts";

export class CatchUpCache {
  readonly #buffers: ReferenceCounts;
  readonly #segments: SegmentCache;

  /** @param buffers counts the cache's own references, and those that `retain` takes */
  constructor(buffers: ReferenceCounts) {
    this.#buffers = buffers;
    this.#segments = new SegmentCache(CACHED_BYTES.catchUp, buffers);
  }

  /** Takes the bytes as they are: nobody may write to them again. */
  insert(id: number, position: number, bytes: Uint8Array): void {
    this.#segments.insertWithoutCopy(id, position, bytes);
  }

  /**
   * The bytes from `start` on, as far as they lie in one buffer and `stop` at most; null when the
   * first of them is not here. The caller has a reference to them, and has to release it.
   */
  retain(id: number, start: number, stop: number): Uint8Array | null {
    const bytes = this.#segments.view(id, start, stop);
    if (bytes !== null) this.#buffers.retain(bytes);
    return bytes;
  }

  /** The byte at a position, if it is here. */
  byteAt(id: number, position: number): number | undefined {
    return this.#segments.view(id, position, position + 1)?.[0];
  }

  /** How far the bytes from `position` on are here: `position` itself when none are. */
  reach(id: number, position: number): number {
    return this.#segments.reach(id, position);
  }

  clear(): void {
    this.#segments.clear();
  }
}
