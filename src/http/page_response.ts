/** A page as headers and a body, for every mode that answers once. */
import { encodeOffset } from "../offset.ts";
import { isJsonMode } from "../protocol/content_type.ts";
import * as header from "../protocol/headers.ts";
import { renderJson } from "../protocol/json_mode.ts";
import type { Page } from "../streams/reader.ts";
import type { StreamState } from "../streams/stream_state.ts";
import { type PageBodies, SMALL_BYTES } from "./page_bodies.ts";
import { CACHEABLE, type HeaderList, headOf, respond } from "./respond.ts";

/** Next offset, up to date, closed, and how long it may be kept. */
export function pageHeaders(stream: StreamState, page: Page): HeaderList {
  const headers: HeaderList = [
    ["Content-Type", stream.contentType],
    [header.NEXT_OFFSET, encodeOffset(page.end)],
    ["Cache-Control", CACHEABLE],
  ];
  if (page.upToDate) headers.push([header.UP_TO_DATE, "true"]);
  if (page.closed) headers.push([header.CLOSED, "true"]);
  return headers;
}

/** 200 with a page. Its length is said where the runtime lets us: Bun sends a stream in chunks. */
export function respondPage(
  stream: StreamState,
  page: Page,
  headers: HeaderList,
  pages: PageBodies,
): Response {
  const bytes = bodyOf(stream, page);
  const body = pages.bodyOf(bytes);
  if (body instanceof ReadableStream) headers.push(["Content-Length", String(bytes.length)]);
  return respond(200, headers, body);
}

/** Small pages whose heads are kept: those that are asked for again and again. */
const MOST_HEADS = 512;
const heads = new Map<string, Response>();

/**
 * A page of catch-up, with its tag. Building and checking nine headers is a third of what a small
 * page costs, and a hot one has the same each time.
 */
export function respondCatchUp(
  stream: StreamState,
  page: Page,
  etag: string,
  pages: PageBodies,
): Response {
  const headers = (): HeaderList => [...pageHeaders(stream, page), ["ETag", etag]];
  if (page.bytes.length > SMALL_BYTES) return respondPage(stream, page, headers(), pages);
  // All that the headers are made of.
  const key = `${etag} ${page.upToDate} ${stream.contentType}`;
  let head = heads.get(key);
  if (head === undefined) {
    head = headOf(200, headers());
    if (heads.size === MOST_HEADS) heads.delete(heads.keys().next().value!);
    heads.set(key, head);
  }
  return new Response(bodyOf(stream, page), head);
}

export function bodyOf(stream: StreamState, page: Page): Uint8Array<ArrayBuffer> {
  return isJsonMode(stream.contentType)
    ? renderJson(page.bytes)
    : page.bytes as Uint8Array<ArrayBuffer>;
}
