/**
 * Takes the data of a COPY out of what a connection receives, before postgres.js sees it.
 * postgres.js collects the chunks of a message of a mebibyte and copies them into one buffer; here
 * the socket receives each chunk directly into the buffer of the rows. postgres.js gets all other
 * messages, with one exception.
 *
 * The exception is the error with which the server ends a session. postgres.js 3.4.9 keeps it until
 * the server is ready again, which it never is on this connection, and then fails the first
 * statement on the next connection with it, however much later. The closed connection alone is
 * enough to make postgres.js fail the right statements.
 */
import { Buffer } from "node:buffer";

const HEADER_BYTES = 5;
const COPY_DATA = 0x64;
const ERROR = 0x45;
const READY = 0x5a;
/** The severity field of an error that ends the session. */
const FATAL = "\0VFATAL\0";
/** The messages that may follow the announcement of a COPY: data, its end, an error. */
const AFTER_ANNOUNCEMENT = new Set([COPY_DATA, 0x63, ERROR]);
/** The size of the buffer for everything that is not received directly into a sink. */
const SCRATCH_BYTES = 64 << 10;
/** A sink with less room than this is not worth a read of its own. */
const SMALLEST_ROOM = 16 << 10;

export interface CopySink {
  /** The buffer that the next bytes should be received into, if that is known. */
  room(): Uint8Array | null;
  /** Takes the next bytes. They are valid during the call only, and may lie in `room`'s buffer. */
  add(piece: Uint8Array): void;
}

export class CopyTap {
  static #current: CopyTap | null = null;
  readonly #pass: (bytes: Uint8Array) => void;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  #sink: CopySink | null = null;
  /** The header of the current message, as far as it has arrived. */
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerFilled = 0;
  /** How many bytes of the current message have not arrived yet, and whether the sink gets them. */
  #left = 0;
  #tapped = false;
  /** Whether the server has been ready once. Errors before that are passed on to postgres.js. */
  #session = false;
  /** The current error message of an established session, as far as it has arrived. */
  #error: Uint8Array[] | null = null;

  /**
   * @param pass gets everything that is not tapped, in chunks that are valid during the call only
   */
  constructor(pass: (bytes: Uint8Array) => void) {
    this.#pass = pass;
  }

  /**
   * The tap that is calling `pass`: what postgres.js does during the call is for its connection.
   */
  static get current(): CopyTap | null {
    return CopyTap.#current;
  }

  /** Directs the data of the COPY that has just been announced to `sink`. */
  copyTo(sink: CopySink): void {
    this.#sink = sink;
  }

  /** The buffer that the connection should receive the next bytes into. */
  buffer(): Uint8Array {
    if (this.#tapped && this.#left >= SMALLEST_ROOM) {
      const room = this.#sink?.room() ?? null;
      if (room !== null && room.length >= SMALLEST_ROOM) return room.subarray(0, this.#left);
    }
    return this.#scratch;
  }

  /** Handles bytes that the connection has received, in `buffer` or elsewhere. */
  take(bytes: Uint8Array): void {
    let at = 0;
    // Consecutive messages for postgres.js are passed on together, as `[passed, at)`.
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
        // Passing on the announcement of a COPY makes postgres.js call us back to set the sink.
        this.#send(bytes.subarray(passed, begun));
        passed = begun;
      }
      this.#begin();
      if (split && !this.#tapped) this.#send(this.#header);
      if (split || this.#tapped) passed = at;
    }
    this.#send(bytes.subarray(passed, at));
  }

  /** Begins a message whose header has arrived. */
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
