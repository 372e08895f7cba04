/** `?tail=` and `?before=&limit=`: the end first, and pages backwards. docs/extensions.md. */
import { carriesSignature, SIGNATURE_PARAMETERS } from "../access/signed_urls.ts";
import { invalid, type InvalidCode, type Result } from "../errors.ts";
import { etagOf, matchesEtag } from "../protocol/etag.ts";
import * as header from "../protocol/headers.ts";
import { encodeOffset, type OffsetRequest, parseOffset } from "../protocol/offset.ts";
import { offsetAt } from "../streams/read/fork_chain.ts";
import { positionOf } from "../streams/read/offset_position.ts";
import { trimmed } from "../streams/stream_state.ts";
import { pageHeaders, respondNotModified, respondPage } from "./page_response.ts";
import type { ReadParts } from "./parts.ts";

export interface BackwardQuery {
  /** Where the page ends. */
  readonly before: OffsetRequest;
  /** JSON messages, or bytes of other streams. */
  readonly count: number;
}

/** Null: the query asks for a read forwards. */
export function parseBackwardQuery(query: string): Result<BackwardQuery> | null {
  if (!query.includes("tail=") && !query.includes("before=")) return null;
  const parameters = new URLSearchParams(query);
  const isTail = parameters.has("tail");
  if (!isTail && !parameters.has("before")) return null;
  // Those of a signed URL, whose holder chooses how to read.
  if (carriesSignature(query)) { for (const name of SIGNATURE_PARAMETERS) parameters.delete(name); }
  const names = [...parameters.keys()].sort().join();
  if (isTail) {
    if (names !== "tail") return refuse("INVALID_TAIL", "tail comes once, and alone");
    const count = parseCount(parameters.get("tail"));
    return count === null
      ? refuse("INVALID_TAIL", "tail is a whole number from 1")
      : { value: { before: { kind: "now" }, count } };
  }
  if (names !== "before,limit") {
    return refuse("INVALID_BEFORE", "before and limit come together, each once, and alone");
  }
  const before = parseOffset(parameters.get("before")!);
  if (before === null) return refuse("INVALID_OFFSET", "before is no offset this server gave");
  const count = parseCount(parameters.get("limit"));
  return count === null
    ? refuse("INVALID_BEFORE", "limit is a whole number from 1")
    : { value: { before, count } };
}

function parseCount(text: string | null): number | null {
  return text !== null && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : null;
}

function refuse(code: InvalidCode, message: string): Result<BackwardQuery> {
  return { refusal: invalid(code, message) };
}

export async function readBackward(
  { streams, pages, caches }: ReadParts,
  path: string,
  request: Request,
  { before, count }: BackwardQuery,
): Promise<Response> {
  const stream = await streams.open(path);
  const lowest = stream.earliest;
  const stop = positionOf(stream, before);
  if (stop < lowest) throw trimmed(stream);
  const room = pages.take(stop - lowest);
  let page;
  try {
    page = await streams.pageBefore(stream, { lowest, stop, count, most: room });
  } finally {
    pages.give(room);
  }
  // The tail's URL stays while its answer changes, and that of a beginning which a trim moves: a
  // cache asks each time.
  const moves = before.kind === "now" ||
    (page.start === lowest && (lowest > 0 || streams.retentionOf(stream) !== null));
  const cacheControl = caches.page(stream, { upToDate: page.upToDate || moves });
  const etag = etagOf(stream.id, page.start, page.end, page.closed);
  const previous: [string, string][] = page.start > lowest
    ? [[header.PREVIOUS_OFFSET, encodeOffset(offsetAt(stream, page.start))]]
    : [];
  const ifNoneMatch = request.headers.get("if-none-match");
  if (ifNoneMatch !== null && matchesEtag(ifNoneMatch, etag)) {
    return respondNotModified(etag, cacheControl, previous);
  }
  const headers = [...pageHeaders(stream, page, cacheControl), ...previous];
  headers.push(["ETag", etag]);
  return respondPage(stream, page, headers, pages);
}
