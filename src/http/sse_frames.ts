/** A page as SSE events, encoded once for all followers that are at the same position. */
import { encodeOffset } from "../offset.ts";
import { isJsonMode, isTextual } from "../protocol/content_type.ts";
import {
  encodeBase64Data,
  encodeControl,
  encodeEvents,
  encodeJsonData,
  encodeTextData,
  splitText,
} from "../protocol/sse.ts";
import type { Page } from "../streams/reader.ts";
import type { StreamState } from "../streams/stream_state.ts";

export interface SseFrame {
  readonly bytes: Uint8Array;
  /** The position the control event names: behind it something may be held back. */
  readonly next: number;
}

/** Frames kept, and the largest that is: a page of SSE, in base64 too. */
const MOST_FRAMES = 256;
const LARGEST_KEPT = 96 << 10;

export class SseFrames {
  readonly #frames = new Map<string, SseFrame>();

  encode(stream: StreamState, page: Page, cursor: string): SseFrame {
    const flags = `${page.upToDate} ${page.closed}`;
    const key = `${stream.id} ${page.start} ${page.end} ${flags} ${cursor}`;
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      frame = encodePage(stream.contentType, page, cursor);
      if (frame.bytes.length <= LARGEST_KEPT) this.#keep(key, frame);
    }
    return frame;
  }

  #keep(key: string, frame: SseFrame): void {
    if (this.#frames.size >= MOST_FRAMES) {
      for (const oldest of this.#frames.keys()) {
        this.#frames.delete(oldest);
        break;
      }
    }
    this.#frames.set(key, frame);
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
  return { bytes: encodeEvents(...events), next };
}
