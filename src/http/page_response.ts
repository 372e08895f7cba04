/** A page as headers and a body, for every mode of reading that has one response. */
import { measurements } from "../lib/telemetry/measurements.ts";
import { free } from "../lib/reference_counts.ts";
import { encodeOffset } from "../protocol/offset.ts";
import { isJsonMode } from "../protocol/content_type.ts";
import * as header from "../protocol/headers.ts";
import { renderJson } from "../protocol/json_mode.ts";
import { offsetAt } from "../streams/read/fork_chain.ts";
import type { Page } from "../streams/read/page_reader.ts";
import type { StreamState } from "../streams/stream_state.ts";
import type { PageStreams } from "./page_stream.ts";
import { type HeaderList, respond } from "./respond.ts";

/** Content type, next offset, `Cache-Control`, and whether it is up to date or closed. */
export function pageHeaders(stream: StreamState, page: Page, cacheControl: string): HeaderList {
  const headers: HeaderList = [
    ["Content-Type", stream.contentType],
    [header.NEXT_OFFSET, encodeOffset(offsetAt(stream, page.end))],
    ["Cache-Control", cacheControl],
  ];
  if (page.upToDate) headers.push([header.UP_TO_DATE, "true"]);
  if (page.closed) headers.push([header.CLOSED, "true"]);
  return headers;
}

/** 200 with a page. It has a Content-Length where the runtime allows one: Bun sends a stream in chunks. */
export function respondPage(
  stream: StreamState,
  page: Page,
  headers: HeaderList,
  pages: PageStreams,
): Response {
  const bytes = bodyOf(stream, page);
  const rendered = bytes !== page.bytes;
  measurements.bytesSent += bytes.length;
  if (rendered) page.release?.();
  const body = pages.bodyOf(bytes, rendered ? () => free(bytes) : page.release);
  if (body instanceof ReadableStream) headers.push(["Content-Length", String(bytes.length)]);
  return respond(200, headers, body);
}

export function respondNotModified(
  etag: string,
  cacheControl: string,
  more: HeaderList = [],
): Response {
  return respond(304, [["ETag", etag], ["Cache-Control", cacheControl], ...more]);
}

/** The bytes of a page as its content type has them: JSON messages become an array. */
export function bodyOf(stream: StreamState, page: Page): Uint8Array<ArrayBuffer> {
  return isJsonMode(stream.contentType)
    ? renderJson(page.bytes)
    : page.bytes as Uint8Array<ArrayBuffer>;
}
