/**
 * A small cache for the bytes that catch-up reads load, so that readers that replay the same stream
 * at about the same time share the loads. It is separate from the segment cache, because one long
 * replay would evict what followers need from there.
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

  /** Bytes in use. */
  get size(): number {
    return this.#segments.size;
  }

  /** Inserts the bytes without copying them: they must not be written to afterwards. */
  insert(id: number, position: number, bytes: Uint8Array): void {
    this.#segments.insertWithoutCopy(id, position, bytes);
  }

  /**
   * The bytes from `start` to `stop` at most, as far as they lie in one buffer; null when the first
   * of them is not cached. The caller gets a reference to them, which it has to release.
   */
  retain(id: number, start: number, stop: number): Uint8Array | null {
    const bytes = this.#segments.view(id, start, stop);
    if (bytes !== null) this.#buffers.retain(bytes);
    return bytes;
  }

  /** The byte at a position, if it is cached. */
  byteAt(id: number, position: number): number | undefined {
    return this.#segments.view(id, position, position + 1)?.[0];
  }

  /** The position up to which the bytes from `position` on are cached: itself when none are. */
  reach(id: number, position: number): number {
    return this.#segments.reach(id, position);
  }

  clear(): void {
    this.#segments.clear();
  }
}
