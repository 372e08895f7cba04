/** GET with live=long-poll (section 5.7). */
import type { Principal } from "../access/principal.ts";
import { encodeOffset } from "../protocol/offset.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
import { nextCursor } from "../protocol/cursor.ts";
import { etagOf, matchesEtag } from "../protocol/etag.ts";
import * as header from "../protocol/headers.ts";
import { offsetAt } from "../streams/read/fork_chain.ts";
import type { Page } from "../streams/read/page_reader.ts";
import type { StreamState } from "../streams/stream_state.ts";
import type { Follower } from "../streams/follow/follower.ts";
import { pageHeaders, respondNotModified, respondPage } from "./page_response.ts";
import type { PageStreams } from "./page_stream.ts";
import type { ReadParts } from "./parts.ts";
import { respondRefusal } from "./error_responses.ts";
import { type HeaderList, NO_STORE, respond } from "./respond.ts";

export interface LongPollQuery {
  readonly start: number;
  /** The tail was asked for, whatever it was. */
  readonly fromNow: boolean;
  /** The client's. */
  readonly cursor: string | null;
  /** The wait ends when its token does; null: there is no access control. */
  readonly principal: Principal | null;
}

export async function longPoll(
  { streams, pages, caches, longPollTimeoutMs }: ReadParts,
  stream: StreamState,
  request: Request,
  { start, fromNow, cursor: clientCursor, principal }: LongPollQuery,
): Promise<Response> {
  const began = performance.now();
  const deadline = began + longPollTimeoutMs;
  const follower = streams.follow(stream);
  const unsubscribe = () => follower.unsubscribe();
  request.signal.addEventListener("abort", unsubscribe);
  const forgoEnd = principal?.onEnd(unsubscribe);
  measurements.longPolls++;
  try {
    const status = await follower.wait(start, deadline);
    if (status === "ended") {
      // The stream is gone or not found, as its state says. A new one at this path is not followed.
      await streams.inspect(stream.path);
      return respondRefusal({ kind: "not_found" });
    }
    const cursor: [string, string] = [
      header.CURSOR,
      nextCursor(clientCursor, Date.now(), Math.random),
    ];
    const { changedAt } = follower;
    const page = status === "more" ? await pageFrom(follower, start, pages) : null;
    if (page !== null && page.end > page.start) {
      // It waited for this change, and did not find it here.
      if (changedAt > began) measurements.deliveries.observe(performance.now() - changedAt);
      // "now" is another place each time: such an answer is nobody else's.
      if (fromNow) {
        return respondPage(stream, page, [...pageHeaders(stream, page, NO_STORE), cursor], pages);
      }
      const cacheControl = clientCursor === null
        ? caches.page(stream, page)
        : caches.collapsed(stream);
      const etag = etagOf(stream.id, page.start, page.end, page.closed);
      if (matchesEtag(request.headers.get("if-none-match"), etag)) {
        page.release?.();
        return respondNotModified(etag, cacheControl, [cursor]);
      }
      const headers = pageHeaders(stream, page, cacheControl);
      return respondPage(stream, page, [...headers, ["ETag", etag], cursor], pages);
    }
    const headers: HeaderList = [
      [header.NEXT_OFFSET, encodeOffset(offsetAt(stream, start))],
      [header.UP_TO_DATE, "true"],
      ["Cache-Control", NO_STORE],
    ];
    headers.push(page?.closed ? [header.CLOSED, "true"] : cursor);
    return respond(204, headers);
  } finally {
    request.signal.removeEventListener("abort", unsubscribe);
    forgoEnd?.();
    follower.unsubscribe();
    measurements.longPolls--;
  }
}

async function pageFrom(follower: Follower, start: number, pages: PageStreams): Promise<Page> {
  const room = pages.take(follower.extent.tail - start);
  try {
    return await follower.page(start, room);
  } finally {
    pages.give(room);
  }
}
