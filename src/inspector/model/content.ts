/** What has been read of a stream, as rows to be shown: messages, lines of text, or bytes. */
import { splitMessages } from "./json_messages.ts";
import { Ring } from "./ring.ts";

export type Format = "messages" | "text" | "hex";

/** One row of messages or text. */
export interface Row {
  readonly text: string;
  /** When it came, as Date.now(); null for what was there before. */
  readonly receivedAt: number | null;
}

const MOST_ROWS = 10_000;
const MOST_CHARACTERS = 32 << 20;
const MOST_BYTES = 1 << 20;
const HEX_WIDTH = 16;

/** Of a media type: JSON mode splits messages, text can be read, all else is bytes. */
export function formatOf(contentType: string): Format {
  const [type = ""] = contentType.toLowerCase().split(";");
  if (type.trim() === "application/json") return "messages";
  return /^text\/|\+json$|\+xml$|\/xml$|x-ndjson$|javascript$/.test(type.trim()) ? "text" : "hex";
}

/** A stream in JSON mode. */
export class MessageContent {
  readonly rows = new Ring<Row>({
    most: MOST_ROWS,
    heaviest: MOST_CHARACTERS,
    weigh: ({ text }) => text.length,
  });
  /** The position in the stream of the first byte that was read. */
  origin = 0;
  readonly #decoder = new TextDecoder();
  #before = 0;

  /** Whether the rows still begin where they began, and take more in front. */
  get hasRoomBefore(): boolean {
    return this.rows.first === -this.#before && this.rows.length < MOST_ROWS &&
      this.rows.weight < MOST_CHARACTERS / 2;
  }

  /** Adds a page. Returns how many messages it held. */
  add(page: Uint8Array, receivedAt: number | null): number {
    const messages = splitMessages(this.#decoder.decode(page));
    this.rows.push(messages.map((text) => ({ text, receivedAt })));
    return messages.length;
  }

  /** Adds a page of what came before. Returns how many rows it made. */
  addBefore(page: Uint8Array): number {
    const messages = splitMessages(this.#decoder.decode(page));
    const taken = this.rows.unshift(messages.map((text) => ({ text, receivedAt: null })));
    this.#before += messages.length;
    return taken;
  }
}

/** A stream of bytes: its end, as text and as hexadecimal digits. */
export class ByteContent {
  /** The position in the stream of the first byte that was read. */
  origin = 0;
  #before = 0;
  #chunks: Uint8Array[] = [];
  #length = 0;
  /** How many bytes of what was read came before those that are kept. */
  #dropped = 0;
  #columns = 100;
  #lines = ByteContent.#emptyLines();
  #decoder = new TextDecoder();
  /** Whether the last row goes on with the next text. */
  #open = false;

  static #emptyLines(): Ring<Row> {
    return new Ring<Row>({ most: 2 * MOST_ROWS });
  }

  get lines(): Ring<Row> {
    return this.#lines;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Whether the bytes still begin where they began, and take more in front. */
  get hasRoomBefore(): boolean {
    return this.#dropped === -this.#before && this.#length < MOST_BYTES;
  }

  get hexRows(): number {
    return Math.ceil(this.#length / HEX_WIDTH);
  }

  add(page: Uint8Array, receivedAt: number | null): null {
    this.#chunks.push(page);
    this.#length += page.length;
    this.#addText(this.#decoder.decode(page, { stream: true }), receivedAt);
    // Whole rows of hexadecimal digits, so that those that stay do not change.
    if (this.#length > 2 * MOST_BYTES) this.#drop(this.#length - MOST_BYTES);
    return null;
  }

  addBefore(page: Uint8Array): number {
    const rows = this.#lines.length;
    if (page.length === 0) return 0;
    this.#chunks.unshift(page);
    this.#length += page.length;
    this.#dropped -= page.length;
    this.#before += page.length;
    this.#layOut();
    return this.#lines.length - rows;
  }

  /** How many characters a row of text has, at most. */
  setColumns(columns: number): void {
    if (columns === this.#columns) return;
    this.#columns = columns;
    this.#layOut();
  }

  /** The bytes of a row of hexadecimal digits. */
  hexRow(index: number): Uint8Array {
    return this.#slice(index * HEX_WIDTH, (index + 1) * HEX_WIDTH);
  }

  #slice(start: number, end: number): Uint8Array {
    const all = this.#joined();
    return all.subarray(start, Math.min(end, this.#length));
  }

  #joined(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]!;
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [all];
    return all;
  }

  #drop(atLeast: number): void {
    const bytes = Math.ceil(atLeast / HEX_WIDTH) * HEX_WIDTH;
    this.#chunks = [this.#joined().slice(bytes)];
    this.#length -= bytes;
    this.#dropped += bytes;
  }

  /** Rows are numbered from the end of what is there, so that what is in sight stays. */
  #layOut(): void {
    const end = this.#lines.first + this.#lines.length;
    this.#lines = ByteContent.#emptyLines();
    this.#decoder = new TextDecoder();
    this.#open = false;
    this.#addText(this.#decoder.decode(this.#joined(), { stream: true }), null);
    this.#lines.renumber(end - this.#lines.length);
  }

  #addText(text: string, receivedAt: number | null): void {
    if (text === "") return;
    const last = this.#lines.at(this.#lines.length - 1);
    const open = this.#open && last !== undefined;
    const whole = open ? last.text + text : text;
    const parts = whole.split("\n");
    this.#open = parts.at(-1) !== "";
    if (!this.#open) parts.pop();
    const rows = parts.flatMap((part) => this.#wrap(part)).map((part) => ({
      text: part,
      receivedAt,
    }));
    if (open) {
      this.#lines.replaceLast({ ...rows[0]!, receivedAt: last.receivedAt });
      rows.shift();
    }
    this.#lines.push(rows);
  }

  #wrap(line: string): string[] {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text.length <= this.#columns) return [text];
    const rows: string[] = [];
    for (let at = 0; at < text.length; at += this.#columns) {
      rows.push(text.slice(at, at + this.#columns));
    }
    return rows;
  }
}

/** `68 65 6c 6c 6f`, and what of it can be printed. */
export function hexOf(
  bytes: Uint8Array,
): { readonly digits: string; readonly text: string } {
  let digits = "";
  let text = "";
  for (let at = 0; at < HEX_WIDTH; at++) {
    const byte = bytes[at];
    if (at === HEX_WIDTH / 2) digits += " ";
    digits += byte === undefined ? "   " : `${byte.toString(16).padStart(2, "0")} `;
    if (byte !== undefined) {
      text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·";
    }
  }
  return { digits: digits.trimEnd(), text };
}
