/**
 * GET with live=sse (section 5.8). Pulled by the connection: nothing is read before the last event
 * has been taken, so a slow reader costs no memory, and the end of a rotation comes between events.
 */
import { isTextual } from "../protocol/content_type.ts";
import { nextCursor } from "../protocol/cursor.ts";
import { SSE_DATA_ENCODING } from "../protocol/headers.ts";
import type { Follower } from "../streams/follower.ts";
import type { StreamState } from "../streams/stream_state.ts";
import type { Streams } from "../streams/streams.ts";
import { type HeaderList, respond } from "./respond.ts";
import { SseFrames } from "./sse_frames.ts";

/** Stored bytes in one data event, at most about this: what a reader that stalls keeps in memory. */
const PAGE_BYTES = 64 << 10;
/** Section 5.8: connections end about every 60 s, spread so that they do not all come back at once. */
const ROTATE_MS = 55_000;
const ROTATE_SPREAD_MS = 10_000;
/** A reader that has not taken an event this long after its rotation was due is cut off. */
const STALLED_MS = 30_000;

/** Shared by all connections of this process: an event is encoded once for all who get it. */
const frames = new SseFrames();

export async function followBySse(
  streams: Streams,
  stream: StreamState,
  start: number,
  clientCursor: string | null,
  request: Request,
): Promise<Response> {
  const follower = streams.follow(stream, PAGE_BYTES);
  const connection = new SseConnection(stream, follower, start, clientCursor);
  let first;
  try {
    // Before the response begins, an error is still an answer.
    first = await connection.first();
  } catch (error) {
    follower.leave();
    throw error;
  }
  const headers: HeaderList = [
    ["Content-Type", "text/event-stream"],
    ["Cache-Control", "no-cache"],
    ["X-Accel-Buffering", "no"],
  ];
  if (!isTextual(stream.contentType)) headers.push([SSE_DATA_ENCODING, "base64"]);
  return respond(200, headers, connection.body(first, request.signal));
}

class SseConnection {
  readonly #stream: StreamState;
  readonly #follower: Follower;
  readonly #rotateAt = Date.now() + ROTATE_MS + Math.random() * ROTATE_SPREAD_MS;
  /** Where the next event begins: behind what was held back, it may lie before `#seen`. */
  #position: number;
  #seen: number;
  #cursor: string;
  #done = false;

  constructor(
    stream: StreamState,
    follower: Follower,
    start: number,
    clientCursor: string | null,
  ) {
    this.#stream = stream;
    this.#follower = follower;
    this.#position = start;
    this.#seen = start;
    this.#cursor = nextCursor(clientCursor, Date.now(), Math.random);
  }

  /** What is there already; at the tail a control event alone, which says so. */
  first(): Promise<Uint8Array> {
    return this.#frame();
  }

  body(first: Uint8Array, signal: AbortSignal): ReadableStream<Uint8Array> {
    let stalled: ReturnType<typeof setTimeout>;
    const end = () => {
      clearTimeout(stalled);
      this.#follower.leave();
    };
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(first);
        signal.addEventListener("abort", end);
        stalled = setTimeout(() => {
          end();
          controller.error(new Error("the reader stalled"));
        }, this.#rotateAt - Date.now() + STALLED_MS);
      },
      pull: async (controller) => {
        const frame = await this.#next();
        if (frame !== null) return controller.enqueue(frame);
        end();
        controller.close();
      },
      cancel: end,
    }, { highWaterMark: 0 });
  }

  /** The next events, or null when the connection has run its time or there will be none. */
  async #next(): Promise<Uint8Array | null> {
    if (this.#done) return null;
    const waited = await this.#follower.wait(this.#seen, this.#rotateAt);
    return waited === "more" ? await this.#frame() : null;
  }

  async #frame(): Promise<Uint8Array> {
    const page = await this.#follower.page(this.#position);
    const now = nextCursor(null, Date.now(), Math.random);
    if (Number(now) > Number(this.#cursor)) this.#cursor = now;
    const frame = frames.encode(this.#stream, page, this.#cursor);
    this.#position = frame.next;
    this.#seen = page.end;
    this.#done = page.closed;
    return frame.bytes;
  }
}
