/**
 * What clients append. A record is one append: one or several messages, each of which says which
 * stream and record it belongs to and is padded with text that follows from its number. So a
 * reader can check where it belongs, and whether a byte of it has changed.
 *
 * Positions count stored bytes: a message and the one byte that ends it. In a JSON stream that byte
 * is not on the wire, elsewhere it is the line feed that was sent.
 */

/** What must be known of a record to write it down again. */
export interface RecordShape {
  readonly id: number;
  readonly path: string;
  /** Messages in it. */
  readonly parts: number;
  /** Characters of padding in each message. */
  readonly pad: number;
}

/** What a piece of a stream consists of. */
export interface Decoded {
  /** Ids of the records that are whole, in order. */
  readonly records: readonly number[];
  /**
   * Stored bytes before the first whole record, one a character: the rest of one that began before
   * the piece.
   */
  readonly head: string;
  /** Stored bytes after the last whole record: the beginning of one that goes on. */
  readonly rest: string;
  /** What cannot be right, wherever the piece lies. */
  readonly flaws: readonly string[];
}

interface Message {
  readonly shape: RecordShape;
  /** From 1 on. */
  readonly part: number;
}

const LINE_FEED = 0x0a;
const NOISE = makeNoise();
const utf8 = new TextEncoder();
const utf8Decoder = new TextDecoder();

/** The messages of a record, without what ends them. */
export function messagesOf(shape: RecordShape): string[] {
  return Array.from({ length: shape.parts }, (_, at) => messageOf(shape, at + 1));
}

/** The stored bytes: in streams that are not JSON also what is sent. */
export function storedBytes(shape: RecordShape): Uint8Array<ArrayBuffer> {
  return utf8.encode(messagesOf(shape).map((message) => message + "\n").join(""));
}

/** What a POST of this record carries. */
export function bodyOf(shape: RecordShape, json: boolean): Uint8Array<ArrayBuffer> {
  if (!json) return storedBytes(shape);
  const messages = messagesOf(shape);
  return utf8.encode(messages.length === 1 ? messages[0] : `[${messages.join(",")}]`);
}

/** How far the record moves the tail. */
export function storedLength(shape: RecordShape): number {
  return storedBytes(shape).length;
}

/** The stored form of a JSON body as it was read: each message and a line feed. */
export function storedOfJson(body: string): { bytes: Uint8Array; flaws: string[] } {
  if (body === "") return { bytes: new Uint8Array(0), flaws: [] };
  let messages: unknown;
  try {
    messages = JSON.parse(body);
  } catch {
    return { bytes: utf8.encode(body), flaws: [`not JSON: ${excerpt(body)}`] };
  }
  if (!Array.isArray(messages)) {
    return { bytes: utf8.encode(body), flaws: [`not an array: ${excerpt(body)}`] };
  }
  const texts = messages.map((message) => JSON.stringify(message));
  // Our messages are as JSON.stringify writes them, and have to come back as they were sent.
  const flaws = `[${texts.join(",")}]` === body ? [] : [`not as it was sent: ${excerpt(body)}`];
  return { bytes: utf8.encode(texts.map((text) => text + "\n").join("")), flaws };
}

/** Finds the records in a piece of a stream that may begin and end anywhere. */
export function decode(stored: Uint8Array): Decoded {
  const lines = linesOf(stored);
  const messages = lines.map((line) => messageIn(utf8Decoder.decode(line)));
  const first = messages.findIndex((message) => message?.part === 1);
  if (first === -1) return { records: [], head: binary(lines), rest: "", flaws: [] };
  const records: number[] = [];
  let at = first;
  while (at < lines.length) {
    const shape = messages[at]?.shape;
    if (shape === undefined || partsFrom(messages, at) < shape.parts) break;
    records.push(shape.id);
    at += shape.parts;
  }
  // What is left may be the first messages of a record, and a last line that is not whole.
  const left = lines.slice(at + partsFrom(messages, at));
  const cutOff = left.length === 0 || (left.length === 1 && left[0]!.at(-1) !== LINE_FEED);
  const flaws = cutOff ? [] : [`not a record of ours: ${excerpt(binary(left))}`];
  return {
    records,
    head: binary(lines.slice(0, first)),
    rest: binary(lines.slice(at)),
    flaws,
  };
}

/** How many messages from here on are the first ones of one record, in order. */
function partsFrom(messages: readonly (Message | null)[], at: number): number {
  const id = messages[at]?.shape.id;
  let parts = 0;
  while (id !== undefined && messages[at + parts]?.shape.id === id) {
    if (messages[at + parts]!.part !== parts + 1) break;
    parts++;
  }
  return parts;
}

function messageOf(shape: RecordShape, part: number): string {
  const { path, id, parts, pad } = shape;
  const sum = checksum(`${path} ${id} ${part} ${parts} ${pad}`);
  return JSON.stringify({ path, record: id, part, parts, sum, pad: padding(id, part, pad) });
}

/** FNV-1a: the padding follows from the number, and this holds the rest together. */
function checksum(text: string): number {
  let sum = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193) >>> 0;
  }
  return sum;
}

/** The record and message that a line is, if every character of it is as it was sent. */
function messageIn(line: string): Message | null {
  if (!line.endsWith("\n")) return null;
  const text = line.slice(0, -1);
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return null;
  }
  const { path, record, part, parts, pad } = parsed ?? {};
  const known = typeof path === "string" && typeof record === "number" &&
    typeof part === "number" && typeof parts === "number" && typeof pad === "string";
  if (!known) return null;
  const shape = { id: record, path, parts, pad: pad.length };
  return messageOf(shape, part) === text ? { shape, part } : null;
}

function padding(id: number, part: number, length: number): string {
  let at = (id * 31 + part * 17) % NOISE.length;
  let text = "";
  while (text.length < length) {
    text += NOISE.slice(at, at + length - text.length);
    at = 0;
  }
  return text;
}

/** Several bytes a character here and there, none of which JSON escapes. */
function makeNoise(): string {
  const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 é漢ß,]}[{";
  let state = 1;
  let text = "";
  for (let at = 0; at < 1009; at++) {
    state = (state * 48271) % 2147483647;
    text += letters[state % letters.length];
  }
  return text;
}

/** Lines with their line feeds; the last one may have none. */
function linesOf(bytes: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, start);
    const next = end === -1 ? bytes.length : end + 1;
    lines.push(bytes.subarray(start, next));
    start = next;
  }
  return lines;
}

/** One character a byte: a piece may begin and end inside a character. */
function binary(lines: readonly Uint8Array[]): string {
  return lines.map((line) => Array.from(line, (byte) => String.fromCharCode(byte)).join("")).join(
    "",
  );
}

/** The bytes of a `head` or `rest`. */
export function bytesOf(binary: string): Uint8Array {
  return Uint8Array.from(binary, (byte) => byte.charCodeAt(0));
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 120 ? text.slice(0, 120) + "…" : text);
}
