/**
 * Reads a stream page by page, and then follows it. A cut connection is taken up where it broke:
 * the page is asked for again, and what had come of it is passed over.
 *
 * Following is by long-poll, not SSE: SSE is lines of text, in which a carriage return cannot be
 * told from a line feed, and a pipe has to get the bytes that were appended.
 */
import { type Answer, type Connection, LONG_POLL_ANSWER_MS, NetworkError } from "./connection.ts";
import { ClientError, EXIT } from "./exit_codes.ts";
import { JsonMessages } from "./json_messages.ts";
import { isJson } from "./stream_metadata.ts";

export type StreamEvent =
  /** Bytes of a stream that is not JSON, as they come. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly text: boolean }
  /** One JSON message, as it was appended, in one line and without a line feed. */
  | { readonly kind: "message"; readonly bytes: Uint8Array }
  /** All up to this offset has come. */
  | {
    readonly kind: "page";
    readonly nextOffset: string;
    readonly upToDate: boolean;
    readonly closed: boolean;
  };

export interface ReadOptions {
  readonly connection: Connection;
  readonly url: URL;
  /** `-1`, `now`, or an offset the server gave. */
  readonly offset: string;
  /** Goes on until the stream is closed. */
  readonly follow: boolean;
}

/** A page of the stream, and how much of it has been given on: bytes, or JSON messages. */
interface Page {
  readonly offset: string;
  readonly live: boolean;
  readonly cursor: string | null;
  given: number;
}

/** Ends when all there is has been read, or, when following, at the end of a closed stream. */
export async function* readStream(options: ReadOptions): AsyncGenerator<StreamEvent> {
  let page: Page = { offset: options.offset, live: false, cursor: null, given: 0 };
  while (true) {
    const givenBefore = page.given;
    let headers: Headers;
    try {
      headers = yield* readPage(options, page);
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      if (page.given > givenBefore) options.connection.progressed();
      await options.connection.waitAfter(error.message);
      continue;
    }
    options.connection.progressed();
    const nextOffset = headers.get("stream-next-offset");
    if (nextOffset === null) {
      throw new ClientError(EXIT.failure, `${options.url.href} is no durable stream`);
    }
    const closed = isTrue(headers, "stream-closed");
    const upToDate = closed || isTrue(headers, "stream-up-to-date");
    yield { kind: "page", nextOffset, upToDate, closed };
    if (closed || (upToDate && !options.follow)) return;
    if (!upToDate && !page.live && nextOffset === page.offset) {
      throw new ClientError(EXIT.failure, "the server stands still in the middle of the stream");
    }
    const live = page.live || upToDate;
    page = { offset: nextOffset, live, cursor: headers.get("stream-cursor"), given: 0 };
  }
}

async function* readPage(
  { connection, url }: ReadOptions,
  page: Page,
): AsyncGenerator<StreamEvent, Headers> {
  const asked = new URL(url);
  asked.searchParams.set("offset", page.offset);
  if (page.live) asked.searchParams.set("live", "long-poll");
  if (page.live && page.cursor !== null) asked.searchParams.set("cursor", page.cursor);
  const answer = await connection.send({
    method: "GET",
    url: asked,
    ...(page.live ? { answerMs: LONG_POLL_ANSWER_MS } : {}),
  });
  const contentType = answer.headers.get("content-type") ?? "";
  if (answer.status === 200 && isJson(contentType)) yield* messagesOf(answer, page);
  else yield* bytesOf(answer, page, /^text\//i.test(contentType));
  return answer.headers;
}

async function* bytesOf(answer: Answer, page: Page, text: boolean): AsyncGenerator<StreamEvent> {
  let passedOver = page.given;
  for await (const piece of answer.body()) {
    const bytes = piece.subarray(Math.min(passedOver, piece.length));
    passedOver -= piece.length - bytes.length;
    if (bytes.length === 0) continue;
    page.given += bytes.length;
    yield { kind: "bytes", bytes, text };
  }
}

async function* messagesOf(answer: Answer, page: Page): AsyncGenerator<StreamEvent> {
  let passedOver = page.given;
  const messages = new JsonMessages();
  for await (const piece of answer.body()) {
    for (const bytes of messages.push(piece)) {
      if (passedOver-- > 0) continue;
      page.given++;
      yield { kind: "message", bytes };
    }
  }
  if (!messages.complete) throw new NetworkError("the connection was cut (half a page came)");
}

function isTrue(headers: Headers, name: string): boolean {
  return headers.get(name)?.toLowerCase() === "true";
}
