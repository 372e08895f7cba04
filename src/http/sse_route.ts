/** GET with live=sse (section 5.8): what is there, and then what comes. */
import { isTextual } from "../protocol/content_type.ts";
import { SSE_DATA_ENCODING } from "../protocol/headers.ts";
import type { StreamState } from "../streams/stream_state.ts";
import type { Streams } from "../streams/streams.ts";
import { type HeaderList, respond } from "./respond.ts";
import { SseConnection } from "./sse_connection.ts";

/** Stored bytes in one data event, at most about this: what a reader that stalls keeps in memory. */
const PAGE_BYTES = 64 << 10;

export async function followBySse(
  streams: Streams,
  stream: StreamState,
  start: number,
  clientCursor: string | null,
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
  return respond(200, headers, connection.body(first));
}
