/** A page as SSE events, encoded once for all followers that are at the same position. */
import { encodeOffset } from "../protocol/offset.ts";
import { isJsonMode, isTextual } from "../protocol/content_type.ts";
import {
  encodeBase64Data,
  encodeControl,
  encodeEvents,
  encodeJsonData,
  encodeTextData,
  splitText,
} from "../protocol/sse.ts";
import type { Extent, Page } from "../streams/read/page_reader.ts";
import type { StreamState } from "../streams/stream_state.ts";

export interface SseFrame {
  readonly bytes: Uint8Array;
  /** Where what it tells ends. */
  readonly end: number;
  /** The position the control event names: behind it something may be held back. */
  readonly next: number;
  /** It says that the stream is closed: nothing comes after it. */
  readonly last: boolean;
}

/** Streams whose frames are kept, how many of each, and the largest that is: a page in base64. */
const MOST_STREAMS = 256;
const MOST_FRAMES = 4;
const LARGEST_KEPT = 96 << 10;

/** A frame, and all that it depends on. */
interface KeptFrame {
  readonly start: number;
  readonly tail: number;
  readonly closed: boolean;
  readonly cursor: string;
  readonly frame: SseFrame;
}

export class SseFrames {
  /** By what the followers of a stream share, the first kept first. */
  readonly #kept = new Map<object, KeptFrame[]>();

  /** What was encoded from this position, for a stream that reached as far; or null. */
  recall(shared: object, start: number, extent: Extent, cursor: string): SseFrame | null {
    const kept = this.#kept.get(shared);
    if (kept === undefined) return null;
    for (const one of kept) {
      if (
        one.start === start && one.tail === extent.tail && one.closed === extent.closed &&
        one.cursor === cursor
      ) return one.frame;
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
    const frame = encodePage(stream.contentType, page, cursor);
    if (frame.bytes.length <= LARGEST_KEPT) {
      this.#keep(shared, { start: page.start, ...extent, cursor, frame });
    }
    return frame;
  }

  #keep(shared: object, one: KeptFrame): void {
    let kept = this.#kept.get(shared);
    if (kept === undefined) {
      kept = [];
      this.#kept.set(shared, kept);
      if (this.#kept.size > MOST_STREAMS) this.#kept.delete(this.#kept.keys().next().value!);
    }
    if (kept.length === MOST_FRAMES) kept.shift();
    kept.push(one);
  }
}

/**
 * A data event, unless there is nothing to say, and its control event. Text that ends inside a
 * character, or with a CR that may be half of CR LF, is held back until the rest is there.
 */
export function encodePage(contentType: string, page: Page, cursor: string): SseFrame {
  const events: string[] = [];
  let next = page.end;
  if (page.bytes.length > 0) {
    if (isJsonMode(contentType)) {
      events.push(encodeJsonData(page.bytes));
    } else if (isTextual(contentType)) {
      const { text, used } = splitText(page.bytes, page.closed);
      next = page.start + used;
      if (used > 0) events.push(encodeTextData(text));
    } else {
      events.push(encodeBase64Data(page.bytes));
    }
  }
  events.push(encodeControl({
    streamNextOffset: encodeOffset(next),
    streamCursor: cursor,
    upToDate: page.upToDate,
    streamClosed: page.closed,
  }));
  return { bytes: encodeEvents(...events), end: page.end, next, last: page.closed };
}
