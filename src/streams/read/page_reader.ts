/** Reads pages of a stream's bytes from the caches, and what is not cached from the database. */
import { concatenate } from "../../lib/bytes.ts";
import { measurements } from "../../lib/telemetry/measurements.ts";
import { ReferenceCounts } from "../../lib/reference_counts.ts";
import { isJsonMode } from "../../protocol/content_type.ts";
import { MESSAGE_END } from "../../protocol/json_mode.ts";
import { invalid, Refused } from "../../errors.ts";
import type { Database } from "../../storage/database.ts";
import type { StreamState } from "../stream_state.ts";
import { CatchUpCache } from "./catch_up_cache.ts";
import { chainSegments } from "./fork_chain.ts";
import {
  LARGE_LOAD_BYTES,
  longerStop,
  maxPageBytes,
  PagePlan,
  planReadAhead,
  readAheadStop,
  wholeMessages,
} from "./page_plan.ts";
import type { SegmentCache } from "./segment_cache.ts";
import { SegmentLoader } from "./segment_loader.ts";

/**
 * With more loads in flight than this nothing is read ahead, because waiting readers come first.
 */
const MAX_LOADS_TO_READ_AHEAD = 3;

/** Stored bytes `[start, end)`, as views of shared buffers that must not be written to. */
export interface Page {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  /** Whether nothing more was stored when the page was made. */
  readonly upToDate: boolean;
  /** Whether nothing more ever will be stored: `upToDate` of a closed stream. */
  readonly closed: boolean;
  /** Releases the reference to `bytes`, so that large buffers are freed. Call it once at most. */
  readonly release?: () => void;
}

/** A stream's tail, and whether it is closed, at some moment. */
export interface Extent {
  readonly tail: number;
  readonly closed: boolean;
}

const NO_BYTES = new Uint8Array(0);

export class PageReader {
  /** The longest page there is, except for a larger JSON message. Bytes. */
  readonly maxPageBytes: number;
  readonly #segmentCache: SegmentCache;
  readonly #buffers = new ReferenceCounts();
  readonly #catchUpCache = new CatchUpCache(this.#buffers);
  readonly #loader: SegmentLoader;

  constructor(database: Database, segmentCache: SegmentCache) {
    this.maxPageBytes = maxPageBytes(database.kind);
    this.#segmentCache = segmentCache;
    const cacheSizes = { segment_cache: segmentCache, catch_up_cache: this.#catchUpCache };
    for (const [name, cache] of Object.entries(cacheSizes)) {
      measurements.memory.set(name, { value: () => cache.size, limit: Infinity });
    }
    this.#loader = new SegmentLoader({
      ...{ database, segmentCache, catchUpCache: this.#catchUpCache, buffers: this.#buffers },
    });
  }

  /** Drops what is cached, because the database may have lost those bytes. */
  invalidate(): void {
    this.#segmentCache.clear();
    this.#catchUpCache.clear();
  }

  /**
   * The page that begins at `start`: about `most` bytes, or the rest of the stream.
   * @throws Refused `not_found` when the stream is being reaped, `invalid` when `start` is beyond
   * the tail or inside a JSON message
   */
  async page(
    stream: StreamState,
    start: number,
    extent: Extent = stream,
    most = this.maxPageBytes,
  ): Promise<Page> {
    const limit = Math.min(most, this.maxPageBytes);
    const cached = this.cachedPage(stream, start, extent, limit);
    measurements.caches.pages[cached === null ? "misses" : "hits"]++;
    if (cached !== null) return cached;
    const began = performance.now();
    const { tail, closed } = extent;
    if (start > tail) {
      throw new Refused(invalid("OFFSET_BEYOND_TAIL", "the offset is beyond the stream's tail"));
    }
    const bytes = isJsonMode(stream.contentType)
      ? await this.#messages(stream, start, tail, limit)
      : await this.#range(stream, start, Math.min(tail, start + limit), tail);
    measurements.pages.observe(performance.now() - began);
    const end = start + bytes.length;
    // A failure to read ahead is ignored: the reader's next request will report it.
    if (end - start > LARGE_LOAD_BYTES) this.#readAhead(stream, end, tail).catch(() => {});
    const release = () => this.#buffers.release(bytes);
    return { start, end, bytes, upToDate: end === tail, closed: closed && end === tail, release };
  }

  /** The page if all of it is in the segment cache, else null. */
  cachedPage(stream: StreamState, start: number, extent: Extent, limit: number): Page | null {
    const { tail, closed } = extent;
    if (start === tail) return { start, end: start, bytes: NO_BYTES, upToDate: true, closed };
    const json = isJsonMode(stream.contentType);
    const lead = json && !isBeginning(stream, start) ? 1 : 0;
    if (start > tail || start - lead < (stream.forkPosition ?? 0)) return null;
    const stop = Math.min(tail, start + limit);
    let bytes = this.#segmentCache.get(stream.id, start - lead, stop);
    if (bytes === null || bytes.length < stop - start + lead) return null;
    if (json) {
      const messages = wholeMessages(bytes, lead);
      if (typeof messages === "string") return null;
      bytes = messages;
    }
    const end = start + bytes.length;
    return { start, end, bytes, upToDate: end === tail, closed: closed && end === tail };
  }

  /** A copy of the bytes from `start` to `stop`, all of them. @throws Refused `not_found` */
  async bytes(stream: StreamState, start: number, stop: number): Promise<Uint8Array> {
    const whole = new Uint8Array(stop - start);
    for (let reach = start; reach < stop;) {
      const part = await this.#range(stream, reach, stop, stop);
      whole.set(part, reach - start);
      reach += part.length;
      this.#buffers.release(part);
    }
    return whole;
  }

  /** Whole JSON messages, retained: a page begins after the end of a message, and ends with one. */
  async #messages(
    stream: StreamState,
    start: number,
    tail: number,
    limit: number,
  ): Promise<Uint8Array> {
    const lead = isBeginning(stream, start) || this.#isCachedBoundary(stream, start) ? 0 : 1;
    let stop = Math.min(tail, start + limit);
    while (true) {
      const bytes = await this.#range(stream, start - lead, stop, tail);
      const messages = wholeMessages(bytes, lead);
      if (messages === "inside_message") {
        throw new Refused(invalid("OFFSET_INSIDE_MESSAGE", "the offset is inside a message"));
      }
      if (messages !== "incomplete") return messages;
      // One message is larger than the page, and has to be sent whole.
      if (stop === tail) throw new Refused({ kind: "not_found" });
      this.#buffers.release(bytes);
      stop = longerStop({ start, stop, tail });
    }
  }

  /** Whether the byte before `start` is cached, and ends a message. */
  #isCachedBoundary(stream: StreamState, start: number): boolean {
    const [segment] = chainSegments(stream, start - 1, start);
    if (segment === undefined) return false;
    const { id } = segment;
    const byte = this.#segmentCache.get(id, start - 1, start)?.[0] ??
      this.#catchUpCache.byteAt(id, start - 1);
    return byte === MESSAGE_END;
  }

  /** The bytes from `start` to `stop`, retained: all of them, or as many as need no copy. */
  async #range(
    stream: StreamState,
    start: number,
    stop: number,
    tail: number,
  ): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    const plan = new PagePlan({ start, stop, tail, pageBytes: this.maxPageBytes });
    for (const segment of chainSegments(stream, start, plan.loadStop)) {
      for (let want = plan.next(segment.stop); want !== null; want = plan.next(segment.stop)) {
        const part = this.#retainCached(segment.id, want.start, want.stop) ??
          await this.#loader.load(segment.id, want.start, want.loadStop);
        parts.push(part.subarray(0, plan.take(part.length)));
      }
      if (plan.done) break;
    }
    if (parts.length === 1) return parts[0]!;
    const whole = concatenate(parts);
    this.#buffers.retain(whole);
    for (const part of parts) this.#buffers.release(part);
    return whole;
  }

  /**
   * Loads the next page while a large one is sent, so that PostgreSQL and the network work at the
   * same time.
   */
  async #readAhead(stream: StreamState, start: number, tail: number): Promise<void> {
    const range = { start, tail, pageBytes: this.maxPageBytes };
    const chain = chainSegments(stream, start, readAheadStop(range));
    const next = planReadAhead(
      chain,
      range,
      (id, position) =>
        Math.max(this.#segmentCache.reach(id, position), this.#catchUpCache.reach(id, position)),
    );
    if (next === null || this.#loader.inFlight >= MAX_LOADS_TO_READ_AHEAD) return;
    this.#buffers.release(await this.#loader.load(next.id, next.start, next.stop));
  }

  /** Cached bytes. Those of the catch-up cache are retained. */
  #retainCached(id: number, start: number, stop: number): Uint8Array | null {
    return this.#segmentCache.get(id, start, stop) ?? this.#catchUpCache.retain(id, start, stop);
  }
}

/** Whether nothing is left before `start`, so that it need not be checked to be between messages. */
function isBeginning({ earliest }: StreamState, start: number): boolean {
  return start === earliest || start === 0;
}
