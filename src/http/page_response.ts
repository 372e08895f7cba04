/** A page as headers and a body, for every mode of reading that has one response. */
import { measurements } from "../lib/telemetry/measurements.ts";
import { free } from "../lib/reference_counts.ts";
import { encodeOffset } from "../protocol/offset.ts";
import { isJsonMode } from "../protocol/content_type.ts";
import * as header from "../protocol/headers.ts";
import { renderMessages } from "../protocol/json_mode.ts";
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

/** What a response with a page holds. */
export interface RenderedPage {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** JSON messages, or one where there are bytes. */
  readonly messages: number;
  /** Called when the bytes are no longer needed, if that can be known. */
  readonly release?: (() => void) | undefined;
}

/** The bytes of a page as its content type has them. The page itself is not needed any more. */
export function renderPage(stream: StreamState, page: Page): RenderedPage {
  if (!isJsonMode(stream.contentType)) {
    const bytes = page.bytes as Uint8Array<ArrayBuffer>;
    return { bytes, messages: Math.min(bytes.length, 1), release: page.release };
  }
  const { bytes, messages } = renderMessages(page.bytes);
  page.release?.();
  return { bytes, messages, release: () => free(bytes) };
}

/** 200 with a page. */
export function respondPage(
  stream: StreamState,
  page: Page,
  headers: HeaderList,
  pages: PageStreams,
): Response {
  return respondRendered(renderPage(stream, page), headers, pages);
}

/** 200. It has a Content-Length where the runtime allows one: Bun sends a stream in chunks. */
export function respondRendered(
  { bytes, messages, release }: RenderedPage,
  headers: HeaderList,
  pages: PageStreams,
): Response {
  measurements.bytesSent += bytes.length;
  measurements.messagesSent += messages;
  const body = pages.bodyOf(bytes, release);
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
