/** HEAD and GET of a stream: metadata, catch-up, and the way to long-poll and SSE (5.5 to 5.8). */
import type { Principal } from "../access/principal.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
import {
  decodeOffset,
  encodeOffset,
  type OffsetRequest,
  parseOffset,
  START,
} from "../protocol/offset.ts";
import { invalid, Overloaded, type Result } from "../errors.ts";
import { etagOf, matchesEtag } from "../protocol/etag.ts";
import { labelHeaders } from "../protocol/labels.ts";
import * as header from "../protocol/headers.ts";
import { formatRetention } from "../protocol/retention.ts";
import { offsetAt } from "../streams/read/fork_chain.ts";
import { positionOf } from "../streams/read/offset_position.ts";
import { labelsOf, type StreamState, trimmed } from "../streams/stream_state.ts";
import type { Streams } from "../streams/streams.ts";
import { parseBackwardQuery, readBackward } from "./backward_route.ts";
import { longPoll } from "./long_poll.ts";
import { MAX_CACHED_BYTES } from "./response_cache.ts";
import { pageHeaders, renderPage, respondNotModified, respondRendered } from "./page_response.ts";
import type { ReadParts } from "./parts.ts";
import { respondRefusal } from "./error_responses.ts";
import { type HeaderList, NO_STORE, respond } from "./respond.ts";
import { bodyOfUnknownLength } from "./server.ts";
import { followBySse } from "./sse_route.ts";

export async function head(streams: Streams, path: string): Promise<Response> {
  const stream = await streams.inspect(path);
  const headers: HeaderList = [
    ["Content-Type", stream.contentType],
    [header.NEXT_OFFSET, encodeOffset(offsetAt(stream, stream.tail))],
    ["Cache-Control", NO_STORE],
  ];
  if (stream.closed) headers.push([header.CLOSED, "true"]);
  if (stream.ttlSeconds !== null) headers.push([header.TTL, String(stream.ttlSeconds)]);
  if (stream.expiresAtMs !== null) {
    headers.push([header.EXPIRES_AT, new Date(stream.expiresAtMs).toISOString()]);
  }
  const retention = streams.retentionOf(stream);
  if (retention !== null) headers.push([header.RETENTION, formatRetention(retention)]);
  if (stream.earliest > 0) {
    headers.push([header.EARLIEST_OFFSET, encodeOffset(offsetAt(stream, stream.earliest))]);
  }
  const labels = labelsOf(stream);
  if (labels !== null) {
    const shown = labelHeaders(labels);
    headers.push(...shown);
    // `allowOrigin` adds what every response has.
    headers.push(["Access-Control-Expose-Headers", shown.map(([name]) => name).join(", ")]);
  }
  return respond(200, headers, bodyOfUnknownLength(headers));
}

/**
 * @param query what follows `?` in the URL, or ""
 * @param principal whose right ends what follows a stream; null: there is no access control
 */
export async function get(
  parts: ReadParts,
  path: string,
  request: Request,
  query: string,
  principal: Principal | null,
): Promise<Response> {
  const backward = parseBackwardQuery(query);
  if (backward !== null) {
    return "refusal" in backward
      ? respondRefusal(backward.refusal)
      : await readBackward(parts, path, request, backward.value);
  }
  const parsed = parseReadQuery(query);
  if ("refusal" in parsed) return respondRefusal(parsed.refusal);
  const { live, cursor } = parsed.value;
  const resumed = live === "sse" ? request.headers.get("last-event-id") : null;
  const offset = resumed === null ? parsed.value.offset : parseEventId(resumed);
  if (offset === null) {
    return respondRefusal(invalid("INVALID_OFFSET", "Last-Event-ID is not one this server gave"));
  }
  const { streams, caches } = parts;
  if (live !== null && streams.followers >= parts.maxFollowers) {
    throw new Overloaded("too many follow streams here", "followers");
  }
  const { cacheEpoch } = streams;
  const stream = await streams.open(path);
  const start = positionOf(stream, offset);
  if (start < stream.earliest) throw trimmed(stream);
  const fromNow = offset.kind === "now";
  if (live === "long-poll") {
    return await longPoll(parts, stream, request, { start, fromNow, cursor, principal });
  }
  if (live === "sse") {
    // An EventSource reconnects for ever, unless it is told that there is nothing more.
    if (resumed !== null && stream.closed && start === stream.tail) return respondEnd(stream);
    const cacheControl = fromNow || resumed !== null ? NO_STORE : caches.follow;
    return await followBySse(streams, stream, {
      start,
      cursor,
      cacheControl,
      principal,
      keepLive: parts.keepLive,
    });
  }
  if (fromNow) return respondNow(stream);
  // Where a stream begins that is trimmed changes, so no cache may say so without asking.
  const moves = offset.kind === "start" &&
    (stream.earliest > 0 || streams.retentionOf(stream) !== null);
  return await catchUp(parts, request, { stream, start, moves, cacheEpoch });
}

/** Where a catch-up read begins. */
interface CatchUp {
  readonly stream: StreamState;
  readonly start: number;
  /** Whether the same request may begin elsewhere the next time. */
  readonly moves: boolean;
  /** As it was before the stream's state was loaded. */
  readonly cacheEpoch: number;
}

async function catchUp(
  { streams, pages, responses, caches }: ReadParts,
  request: Request,
  { stream, start, moves, cacheEpoch }: CatchUp,
): Promise<Response> {
  const ifNoneMatch = request.headers.get("if-none-match");
  // The page up to the tail, which is what is asked for again and again, takes no read.
  const whole = etagOf(stream.id, start, stream.tail, stream.closed);
  if (ifNoneMatch !== null && matchesEtag(ifNoneMatch, whole)) {
    return respondNotModified(whole, caches.page(stream, { upToDate: true }));
  }
  const cached = responses.get(cacheEpoch, whole);
  if (cached !== null) {
    measurements.bytesSent += stream.tail - start;
    return cached;
  }
  const room = pages.take(stream.tail - start);
  let page;
  try {
    page = await streams.page(stream, start, room);
  } finally {
    pages.give(room);
  }
  const etag = etagOf(stream.id, page.start, page.end, page.closed);
  if (ifNoneMatch !== null && matchesEtag(ifNoneMatch, etag)) {
    page.release?.();
    return respondNotModified(etag, caches.page(stream, { upToDate: moves || page.upToDate }));
  }
  const cacheControl = caches.page(stream, { upToDate: moves || page.upToDate });
  const headers: HeaderList = [...pageHeaders(stream, page, cacheControl), ["ETag", etag]];
  const cacheable = page.upToDate && page.bytes.length <= MAX_CACHED_BYTES;
  const rendered = renderPage(stream, page);
  const response = respondRendered(rendered, headers, pages);
  return cacheable ? responses.set(cacheEpoch, etag, response, rendered) : response;
}

export interface ReadQuery {
  readonly offset: OffsetRequest;
  readonly live: "long-poll" | "sse" | null;
  readonly cursor: string | null;
}

/** The query of nearly every catch-up read, which URLSearchParams would take 1 µs for. */
const ONLY_OFFSET = /^(?:offset=([\w-]+))?$/;

export function parseReadQuery(query: string): Result<ReadQuery> {
  const only = ONLY_OFFSET.exec(query);
  if (only !== null) return withOffset(only[1], null, null);
  const parameters = new URLSearchParams(query);
  const live = parameters.get("live");
  if (live !== null && live !== "long-poll" && live !== "sse") {
    return { refusal: invalid("INVALID_LIVE", "live is long-poll or sse") };
  }
  const offsets = parameters.getAll("offset");
  if (offsets.length > 1) {
    return { refusal: invalid("INVALID_OFFSET", "more than one offset") };
  }
  if (offsets.length === 0 && live !== null) {
    return { refusal: invalid("MISSING_OFFSET", "following a stream needs an offset") };
  }
  return withOffset(offsets[0], live, parameters.get("cursor"));
}

function withOffset(
  text = START,
  live: ReadQuery["live"],
  cursor: string | null,
): Result<ReadQuery> {
  const offset = parseOffset(text);
  if (offset === null) {
    return { refusal: invalid("INVALID_OFFSET", "the offset is not one this server gave") };
  }
  return { value: { offset, live, cursor } };
}

/**
 * What a browser's EventSource sends when it reconnects (section 5.8): the `id` of the last event it
 * got, in place of the `offset` in its URL, which stays what it was.
 */
function parseEventId(text: string): OffsetRequest | null {
  const offset = decodeOffset(text);
  return offset === null ? null : { kind: "position", ...offset };
}

/** 204: the last event that was received is the stream's last. */
function respondEnd(stream: StreamState): Response {
  return respond(204, [
    [header.NEXT_OFFSET, encodeOffset(offsetAt(stream, stream.tail))],
    [header.UP_TO_DATE, "true"],
    [header.CLOSED, "true"],
    ["Cache-Control", NO_STORE],
  ]);
}

/** `offset=now`: where the tail is, and nothing else. Never cached, for it changes all the time. */
function respondNow(stream: StreamState): Response {
  const { tail, closed } = stream;
  const page = { start: tail, end: tail, bytes: new Uint8Array(0), upToDate: true, closed };
  return respond(200, pageHeaders(stream, page, NO_STORE), renderPage(stream, page).bytes);
}
