/** A page as SSE events, encoded once for all followers that are at the same position. */
import { LRUCache } from "lru-cache";
import { measurements } from "../lib/telemetry/measurements.ts";
import { CACHED_BYTES } from "../limits.ts";
import { encodeOffset } from "../protocol/offset.ts";
import { isJsonMode, isTextual } from "../protocol/content_type.ts";
import {
  encodeBase64Data,
  encodeControl,
  encodeEvents,
  encodeJsonData,
  encodeTextData,
  splitText,
  withId,
} from "../protocol/sse.ts";
import { offsetAt } from "../streams/read/fork_chain.ts";
import type { Extent, Page } from "../streams/read/page_reader.ts";
import type { StreamState } from "../streams/stream_state.ts";

export interface SseFrame {
  readonly bytes: Uint8Array;
  /** Where the stored bytes that it carries end. */
  readonly end: number;
  /** The position that the control event names; bytes from there to `end` are held back. */
  readonly next: number;
  /** JSON messages in it, or one where there are bytes. */
  readonly messages: number;
  /** It says that the stream is closed: nothing comes after it. */
  readonly last: boolean;
}

/** The longest frame that is cached is a page in base64. */
const { streams: MAX_STREAMS, perStream: MAX_FRAMES, longest: MAX_CACHED_BYTES } =
  CACHED_BYTES.frames;

/** A frame, and all that it depends on. */
interface CachedFrame {
  readonly start: number;
  readonly tail: number;
  readonly closed: boolean;
  readonly cursor: string;
  readonly frame: SseFrame;
}

export class SseFrames {
  /** By the object that the followers of a stream share; of each, the oldest frame first. */
  readonly #cached = new LRUCache<object, CachedFrame[]>({ max: MAX_STREAMS });

  /** The frame that was encoded from this position, of a stream that reached as far; or null. */
  get(shared: object, start: number, extent: Extent, cursor: string): SseFrame | null {
    const frames = this.#cached.get(shared);
    if (frames === undefined) return null;
    for (const cached of frames) {
      if (
        cached.start === start && cached.tail === extent.tail &&
        cached.closed === extent.closed && cached.cursor === cursor
      ) {
        measurements.caches.events.hits++;
        return cached.frame;
      }
    }
    return null;
  }

  encode(
    shared: object,
    stream: StreamState,
    page: Page,
    extent: Extent,
    cursor: string,
  ): SseFrame {
    measurements.caches.events.misses++;
    const frame = encodePage(stream, page, cursor);
    if (frame.bytes.length <= MAX_CACHED_BYTES) {
      this.#set(shared, { start: page.start, ...extent, cursor, frame });
    }
    return frame;
  }

  #set(shared: object, cached: CachedFrame): void {
    let frames = this.#cached.get(shared);
    if (frames === undefined) {
      frames = [];
      this.#cached.set(shared, frames);
    }
    if (frames.length === MAX_FRAMES) frames.shift();
    frames.push(cached);
  }
}

/**
 * A data event, unless there is nothing to say, and its control event. Text that ends inside a
 * character, or with a CR that may be half of CR LF, is held back until the rest is there.
 */
export function encodePage(stream: StreamState, page: Page, cursor: string): SseFrame {
  const { contentType } = stream;
  const events: string[] = [];
  let next = page.end;
  let messages = 0;
  if (page.bytes.length > 0) {
    if (isJsonMode(contentType)) {
      const data = encodeJsonData(page.bytes);
      events.push(data.event);
      messages = data.messages;
    } else if (isTextual(contentType)) {
      const { text, used } = splitText(page.bytes, page.closed);
      next = page.start + used;
      if (used > 0) events.push(encodeTextData(text));
      messages = Math.min(used, 1);
    } else {
      events.push(encodeBase64Data(page.bytes));
      messages = 1;
    }
  }
  const streamNextOffset = encodeOffset(offsetAt(stream, next));
  events.push(encodeControl({
    streamNextOffset,
    streamCursor: cursor,
    upToDate: page.upToDate,
    streamClosed: page.closed,
  }));
  // The first event, for the second adds nothing to it: a connection may be cut between them.
  events[0] = withId(events[0]!, streamNextOffset);
  return { bytes: encodeEvents(...events), end: page.end, next, messages, last: page.closed };
}
