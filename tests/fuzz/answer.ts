/** HTTP answers as they come over a socket, read strictly: what a proxy would stumble over throws. */
import { copyTogether } from "../../src/lib/bytes.ts";

export interface Answer {
  readonly status: number;
  /** Names in lower case; of a header given twice, both values, joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  /** False when only the head was waited for. */
  readonly whole: boolean;
}

/** The bytes are no HTTP answer, or its framing is broken. */
export class Malformed extends Error {
  override name = "Malformed";
}

export interface Parsed {
  readonly answer: Answer;
  /** Bytes of the buffer it took. */
  readonly used: number;
}

export interface ParseOptions {
  /** The method of the request: a HEAD's answer has no body. */
  readonly method: string;
  /** The server has closed: an answer without a length ends here. */
  readonly ended: boolean;
  /** Return as soon as the head is there: for answers without an end. */
  readonly headOnly: boolean;
}

const latin1 = new TextDecoder("latin1");
const NOTHING = new Uint8Array(0);

/** Undefined while there is not enough of it. @throws Malformed */
export function parseAnswer(
  buffer: Uint8Array,
  { method, ended, headOnly }: ParseOptions,
): Parsed | undefined {
  const headEnd = indexOf(buffer, "\r\n\r\n", 0);
  if (headEnd < 0) {
    if (buffer.length > 0 && !"HTTP/".startsWith(latin1.decode(buffer.subarray(0, 5)))) {
      throw new Malformed(`begins ${JSON.stringify(latin1.decode(buffer.subarray(0, 80)))}`);
    }
    return undefined;
  }
  const [first = "", ...lines] = latin1.decode(buffer.subarray(0, headEnd)).split("\r\n");
  const match = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?$/.exec(first);
  if (match === null) throw new Malformed(`status line ${JSON.stringify(first)}`);
  const status = Number(match[1]);
  const headers = parseHeaders(lines);
  const start = headEnd + 4;
  if (status >= 100 && status < 200) {
    const next = parseAnswer(buffer.subarray(start), { method, ended, headOnly });
    return next && { answer: next.answer, used: next.used + start };
  }
  const done = (body: Uint8Array, used: number, whole = true): Parsed => ({
    answer: { status, headers, body, whole },
    used,
  });
  if (method === "HEAD" || status === 204 || status === 304) return done(NOTHING, start);
  if (headOnly) return done(buffer.slice(start), buffer.length, false);

  if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") {
    const chunks = parseChunks(buffer, start);
    if (chunks === undefined) return undefined;
    return done(chunks.body, chunks.end);
  }
  const length = headers.get("content-length");
  if (length !== undefined) {
    if (!/^\d+$/.test(length)) throw new Malformed(`Content-Length ${length}`);
    const end = start + Number(length);
    return buffer.length < end ? undefined : done(buffer.slice(start, end), end);
  }
  return ended ? done(buffer.slice(start), buffer.length) : undefined;
}

function parseHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    // deno-lint-ignore no-control-regex
    if (match === null || /[\0-\x08\x0a-\x1f\x7f]/.test(match[2]!)) {
      throw new Malformed(`header line ${JSON.stringify(line)}`);
    }
    const name = match[1]!.toLowerCase();
    const before = headers.get(name);
    headers.set(name, before === undefined ? match[2]! : `${before}, ${match[2]!}`);
  }
  return headers;
}

function parseChunks(
  buffer: Uint8Array,
  from: number,
): { body: Uint8Array; end: number } | undefined {
  const chunks: Uint8Array[] = [];
  for (let at = from;;) {
    const lineEnd = indexOf(buffer, "\r\n", at);
    if (lineEnd < 0) return undefined;
    const line = latin1.decode(buffer.subarray(at, lineEnd));
    if (!/^[0-9a-fA-F]+$/.test(line)) throw new Malformed(`chunk size ${JSON.stringify(line)}`);
    const size = parseInt(line, 16);
    const start = lineEnd + 2;
    if (buffer.length < start + size + 2) return undefined;
    if (buffer[start + size] !== 13 || buffer[start + size + 1] !== 10) {
      throw new Malformed("a chunk without its CR LF");
    }
    at = start + size + 2;
    if (size === 0) return { body: copyTogether(chunks), end: at };
    chunks.push(buffer.subarray(start, start + size));
  }
}

function indexOf(buffer: Uint8Array, text: string, from: number): number {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length).indexOf(text, from, "latin1");
}
