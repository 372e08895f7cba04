/**
 * The end of a stream by `?tail=` and `?before=`, from a server that has them: no more is read than
 * what is printed, and a little. Other servers take such a request for a read from the start.
 */
import { type Answer, type Connection, NetworkError } from "./connection.ts";
import { JsonMessages } from "./json_messages.ts";
import { LastLines, LastMessages } from "./last_items.ts";
import { inspect, isJson } from "./stream_metadata.ts";
import type { StreamEvent } from "./stream_reader.ts";

const LINE_FEED = 0x0a;
/** What a line is taken to be long at first. Bytes. */
const BYTES_PER_LINE = 256;
const LARGEST_REQUEST = 4 << 20;

interface BackwardPage {
  /** JSON messages, or the body's bytes as one. */
  readonly items: readonly Uint8Array[];
  readonly previous: string | null;
  readonly headers: Headers;
}

type PageEvent = StreamEvent & { kind: "page" };

/** The last messages, or lines, and the offset they end at; null: the server has no `?tail=`. */
export async function readLast(
  connection: Connection,
  url: URL,
  number: number,
): Promise<{ events: StreamEvent[]; page: PageEvent } | null> {
  const { contentType } = await inspect(connection, url);
  const json = isJson(contentType);
  let wanted = json ? number : number * BYTES_PER_LINE;
  const first = await readPage(connection, url, json, { tail: limited(wanted) });
  const nextOffset = first.headers.get("stream-next-offset");
  const closed = isTrue(first.headers, "stream-closed");
  const upToDate = closed || isTrue(first.headers, "stream-up-to-date");
  // Without an earlier page this is the whole stream, or the first page of a server without `?tail=`.
  if (nextOffset === null || !upToDate) return null;
  let items = [...first.items];
  for (let { previous } = first; previous !== null && !isEnough(items, json, number);) {
    wanted *= 4;
    const page = await readPage(connection, url, json, {
      before: previous,
      limit: limited(json ? number - items.length : wanted),
    });
    items = [...page.items, ...items];
    previous = page.previous;
  }
  return {
    events: json ? lastMessages(items, number) : lastLines(items, number, contentType),
    page: { kind: "page", nextOffset, upToDate, closed },
  };
}

function limited(count: number): string {
  return String(Math.min(count, LARGEST_REQUEST));
}

/** A line feed before the first of the lines has to be there, and one may end the last. */
function isEnough(items: readonly Uint8Array[], json: boolean, number: number): boolean {
  if (json) return items.length >= number;
  let feeds = 0;
  for (const bytes of items) for (const byte of bytes) if (byte === LINE_FEED) feeds++;
  return feeds > number;
}

function lastMessages(items: readonly Uint8Array[], number: number): StreamEvent[] {
  const last = new LastMessages(number);
  for (const message of items) last.push(message);
  return last.messages().map((bytes) => ({ kind: "message", bytes }));
}

function lastLines(items: readonly Uint8Array[], number: number, type: string): StreamEvent[] {
  const last = new LastLines(number);
  for (const bytes of items) last.push(bytes);
  const text = /^text\//i.test(type);
  return last.bytes().map((bytes) => ({ kind: "bytes", bytes, text }));
}

async function readPage(
  connection: Connection,
  url: URL,
  json: boolean,
  query: Readonly<Record<string, string>>,
): Promise<BackwardPage> {
  const asked = new URL(url);
  for (const [name, value] of Object.entries(query)) asked.searchParams.set(name, value);
  while (true) {
    const answer = await connection.send({ method: "GET", url: asked });
    const previous = answer.headers.get("stream-previous-offset");
    // The rest of a stream that is read from its start is not needed.
    if (previous === null && !isTrue(answer.headers, "stream-up-to-date") && "tail" in query) {
      await answer.discard();
      return { items: [], previous, headers: answer.headers };
    }
    try {
      return { items: await itemsOf(answer, json), previous, headers: answer.headers };
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      await connection.waitAfter(error.message);
    }
  }
}

async function itemsOf(answer: Answer, json: boolean): Promise<Uint8Array[]> {
  const items: Uint8Array[] = [];
  const messages = new JsonMessages();
  for await (const piece of answer.body()) {
    if (!json) items.push(piece);
    else for (const message of messages.push(piece)) items.push(message.slice());
  }
  if (json && !messages.complete) throw new NetworkError("the connection was cut (half a page)");
  return items;
}

function isTrue(headers: Headers, name: string): boolean {
  return headers.get(name)?.toLowerCase() === "true";
}
