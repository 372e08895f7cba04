/** Small helpers over fetch and raw sockets, for tests that speak to a Penstock from outside. */
import { copyTogether } from "../../src/lib/bytes.ts";
import { connect } from "node:net";

export interface StreamOptions {
  contentType?: string;
  headers?: Record<string, string>;
  body?: BodyInit;
}

/** PUTs a stream and returns its URL; throws unless the answer is 2xx. */
export async function createStream(
  base: string,
  path: string = `test-${crypto.randomUUID()}`,
  options: StreamOptions = {},
): Promise<string> {
  const url = `${base}/v1/stream/${path}`;
  const response = await fetch(url, {
    method: "PUT",
    headers: { "content-type": options.contentType ?? "text/plain", ...options.headers },
    ...options.body === undefined ? {} : { body: options.body },
  });
  await expectOk(response, `PUT ${url}`);
  return url;
}

/** POSTs, and returns the Stream-Next-Offset; throws unless the answer is 2xx. */
export async function append(
  url: string,
  body: BodyInit,
  options: StreamOptions = {},
): Promise<string> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": options.contentType ?? "text/plain", ...options.headers },
    body,
  });
  await expectOk(response, `POST ${url}`);
  return response.headers.get("stream-next-offset") ?? "";
}

async function expectOk(response: Response, what: string): Promise<void> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${what}: ${response.status} ${text}`);
}

export interface WholeRead {
  readonly bytes: Uint8Array;
  readonly text: string;
  /** Where the next read would begin. */
  readonly nextOffset: string;
  readonly closed: boolean;
  /** How many requests it took. */
  readonly pages: number;
}

/** Reads page by page until the server says Stream-Up-To-Date. */
export async function readAll(url: string, offset = "-1"): Promise<WholeRead> {
  const chunks: Uint8Array[] = [];
  for (let next = offset;;) {
    const response = await fetch(`${url}?offset=${encodeURIComponent(next)}`);
    const body = new Uint8Array(await response.arrayBuffer());
    if (!response.ok) {
      const text = new TextDecoder().decode(body);
      throw new Error(`GET ${url}?offset=${next}: ${response.status} ${text}`);
    }
    chunks.push(body);
    const following = response.headers.get("stream-next-offset");
    if (following === null) throw new Error("an answer without Stream-Next-Offset");
    if (response.headers.get("stream-up-to-date") === "true") {
      const bytes = copyTogether(chunks);
      return {
        bytes,
        text: new TextDecoder().decode(bytes),
        nextOffset: following,
        closed: response.headers.get("stream-closed") === "true",
        pages: chunks.length,
      };
    }
    if (following === next) throw new Error(`a page that leads nowhere, at offset ${next}`);
    next = following;
  }
}

export interface RawResponse {
  readonly status: number;
  /** Names in lower case; of a header given twice, the last. */
  readonly headers: ReadonlyMap<string, string>;
  /** As it came over the wire: chunked framing is not undone. */
  readonly body: string;
}

/**
 * Writes these bytes to a socket and reads until the server closes it, or has sent a whole answer
 * with a Content-Length. For requests no HTTP client would agree to send.
 */
export function rawRequest(
  host: string,
  port: number,
  bytes: string | Uint8Array,
  limitMs = 10_000,
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const chunks: Uint8Array[] = [];
    const limit = setTimeout(() => {
      const seen = new TextDecoder("latin1").decode(copyTogether(chunks));
      finish(new Error(`no whole answer within ${limitMs} ms: ${seen}`));
    }, limitMs);
    const finish = (result: RawResponse | Error) => {
      clearTimeout(limit);
      socket.destroy();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    socket.once("connect", () => socket.write(bytes));
    socket.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk);
      const answer = parseAnswer(copyTogether(chunks));
      const length = answer?.headers.get("content-length");
      if (answer !== undefined && length !== undefined && answer.body.length >= Number(length)) {
        finish(answer);
      }
    });
    socket.once("error", finish);
    socket.once("close", () => {
      finish(parseAnswer(copyTogether(chunks)) ?? new Error("closed without an answer"));
    });
  });
}

function parseAnswer(bytes: Uint8Array): RawResponse | undefined {
  // Latin-1: one character a byte, so lengths can be compared with Content-Length.
  const text = new TextDecoder("latin1").decode(bytes);
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  }));
  return { status: Number(first.split(" ")[1]), headers, body: text.slice(end + 4) };
}

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
}

/**
 * Follows an SSE response event by event. Leaving the loop cancels the response.
 *
 * @example
 * ```ts
 * for await (const { event, data } of serverSentEvents(await fetch(`${url}?offset=-1&live=sse`))) {
 *   if (event === "control") break;
 * }
 * ```
 */
export async function* serverSentEvents(response: Response): AsyncGenerator<ServerSentEvent> {
  if (response.body === null) throw new Error("an SSE response without a body");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      pending += value;
      const blocks = pending.split("\n\n");
      pending = blocks.pop() ?? "";
      for (const block of blocks) {
        const parsed = parseEvent(block);
        if (parsed !== undefined) yield parsed;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** A block of comments alone is no event. */
function parseEvent(block: string): ServerSentEvent | undefined {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
  }
  return data.length === 0 ? undefined : { event, data: data.join("\n") };
}
