/** GET with live=sse (section 5.8): what is stored, and then what is appended. */
import type { Principal } from "../access/principal.ts";
import { isTextual } from "../protocol/content_type.ts";
import { SSE_DATA_ENCODING } from "../protocol/headers.ts";
import type { StreamState } from "../streams/stream_state.ts";
import type { Streams } from "../streams/streams.ts";
import { type HeaderList, respond } from "./respond.ts";
import { SseConnection } from "./sse_connection.ts";

/** Stored bytes in one data event, at most about: a reader that stalls keeps so much in memory. */
const EVENT_BYTES = 64 << 10;

export async function followBySse(
  streams: Streams,
  stream: StreamState,
  { start, cursor, cacheControl, principal, keepLive }: {
    readonly start: number;
    /** The client's. */
    readonly cursor: string | null;
    readonly cacheControl: string;
    /** The connection ends when its token does; null: there is no access control. */
    readonly principal: Principal | null;
    /** See `ReadParts`. */
    readonly keepLive: (() => () => void) | undefined;
  },
): Promise<Response> {
  const follower = streams.follow(stream, EVENT_BYTES);
  const connection = new SseConnection(stream, follower, start, cursor);
  let first;
  try {
    // Before the response begins, an error can still be a response of its own.
    first = await connection.first();
  } catch (error) {
    follower.unsubscribe();
    throw error;
  }
  const headers: HeaderList = [
    ["Content-Type", "text/event-stream"],
    ["Cache-Control", cacheControl],
    ["X-Accel-Buffering", "no"],
  ];
  if (!isTextual(stream.contentType)) headers.push([SSE_DATA_ENCODING, "base64"]);
  const body = connection.body(first);
  if (keepLive !== undefined) connection.onEnded(keepLive());
  if (principal !== null) connection.endWith(principal);
  return respond(200, headers, body);
}
