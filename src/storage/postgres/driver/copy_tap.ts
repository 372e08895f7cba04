/**
 * What COPY sends, taken out of what a connection receives before postgres.js sees it. postgres.js
 * collects a message of a mebibyte from its pieces and joins them into another; here a piece is
 * received where it is wanted, and postgres.js gets all other messages.
 *
 * All but one: why the server ends a session. postgres.js 3.4.9 keeps that until the server is ready
 * again, which on this connection it never is, and fails with it the first statement on the
 * connection that takes its place, however much later. The end of the connection says enough.
 */
import { Buffer } from "node:buffer";

const HEADER_BYTES = 5;
const COPY_DATA = 0x64;
const ERROR = 0x45;
const READY = 0x5a;
/** The severity of an error that ends the session, as it stands among the error's fields. */
const FATAL = "\0VFATAL\0";
/** What may come after a COPY was announced, and is about it: data, its end, an error. */
const AFTER_ANNOUNCEMENT = new Set([COPY_DATA, 0x63, ERROR]);
/** For what is not received in its place. */
const SCRATCH_BYTES = 64 << 10;
/** Less than this is not worth a read of its own. */
const SMALLEST_ROOM = 16 << 10;

export interface CopySink {
  /** Where the next bytes belong, if that is known. */
  room(): Uint8Array | null;
  /** The next bytes: valid only now, ending anywhere, and perhaps where `room` wanted them. */
  add(piece: Uint8Array): void;
}

export class CopyTap {
  static #current: CopyTap | null = null;
  readonly #pass: (bytes: Uint8Array) => void;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  #sink: CopySink | null = null;
  /** What has come of a header that is not whole yet. */
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerFilled = 0;
  /** Bytes still to come of the message under way, and whether they are the sink's. */
  #left = 0;
  #tapped = false;
  /** There is a session: the server has been ready once. What is wrong before is told. */
  #session = false;
  /** What has come of an error in it. */
  #error: Uint8Array[] | null = null;

  /** @param pass given all that is not tapped, in pieces that end anywhere and are valid only then */
  constructor(pass: (bytes: Uint8Array) => void) {
    this.#pass = pass;
  }

  /** The one that is passing something on: what happens meanwhile is about its connection. */
  static get current(): CopyTap | null {
    return CopyTap.#current;
  }

  /** What the COPY that has just been announced sends goes to `sink`. */
  copyTo(sink: CopySink): void {
    this.#sink = sink;
  }

  /** Where the connection should put what it receives next. */
  buffer(): Uint8Array {
    if (this.#tapped && this.#left >= SMALLEST_ROOM) {
      const room = this.#sink?.room() ?? null;
      if (room !== null && room.length >= SMALLEST_ROOM) return room.subarray(0, this.#left);
    }
    return this.#scratch;
  }

  /** What the connection has received, in `buffer` or elsewhere. */
  take(bytes: Uint8Array): void {
    let at = 0;
    // Messages for postgres.js that follow each other go to it in one piece, `[passed, at)`.
    let passed = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const end = Math.min(bytes.length, at + this.#left);
        this.#left -= end - at;
        if (this.#tapped) {
          this.#keep(bytes.subarray(at, end));
          passed = end;
        }
        at = end;
        continue;
      }
      const begun = at;
      const split = this.#headerFilled > 0;
      while (this.#headerFilled < HEADER_BYTES && at < bytes.length) {
        this.#header[this.#headerFilled++] = bytes[at++]!;
      }
      if (this.#headerFilled < HEADER_BYTES) {
        this.#send(bytes.subarray(passed, begun));
        return;
      }
      if (AFTER_ANNOUNCEMENT.has(this.#header[0]!)) {
        // The announcement, if it is among these, has the sink set.
        this.#send(bytes.subarray(passed, begun));
        passed = begun;
      }
      this.#begin();
      if (split && !this.#tapped) this.#send(this.#header);
      if (split || this.#tapped) passed = at;
    }
    this.#send(bytes.subarray(passed, at));
  }

  /** A message, of which the header is there. */
  #begin(): void {
    const [kind, a, b, c, d] = this.#header as unknown as [number, number, number, number, number];
    this.#headerFilled = 0;
    this.#left = (a << 24 | b << 16 | c << 8 | d) - 4;
    if (kind !== COPY_DATA && AFTER_ANNOUNCEMENT.has(kind)) this.#sink = null;
    if (kind === READY) this.#session = true;
    this.#error = kind === ERROR && this.#session ? [this.#header.slice()] : null;
    this.#tapped = this.#error !== null || (kind === COPY_DATA && this.#sink !== null);
    if (this.#error !== null && this.#left === 0) this.#keep(new Uint8Array(0));
  }

  #keep(bytes: Uint8Array): void {
    if (this.#error === null) return this.#sink?.add(bytes);
    this.#error.push(bytes.slice());
    if (this.#left > 0) return;
    const error = Buffer.concat(this.#error);
    if (!error.includes(FATAL, 0, "latin1")) this.#send(error);
  }

  #send(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    CopyTap.#current = this;
    try {
      this.#pass(bytes);
    } finally {
      CopyTap.#current = null;
    }
  }
}
