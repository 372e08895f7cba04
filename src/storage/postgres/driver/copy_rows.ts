/**
 * Reads rows of `(bigint, bytea)` in COPY's binary format. In the extended protocol postgres.js
 * asks for text, and hexadecimal takes both ends five times the work that binary does.
 */
import { free } from "../../../lib/reference_counts.ts";
import type { CopySink } from "./copy_tap.ts";
import type { ScannedRow } from "../../database.ts";

/** The length of the signature, the flags, and an empty header extension. */
const HEADER_BYTES = 19;
/** The length of what precedes a row's bytes: the field count, two lengths, and the position. */
const ROW_BYTES = 18;
const COUNT_BYTES = 2;
/** The field count that marks the end of the rows. */
const NO_MORE = -1;
/** A buffer of which less than this part is filled is not kept: it would waste the rest. */
const WELL_FILLED = 0.75;

/** Collects the chunks of a COPY, which may end anywhere, into one buffer with all rows' bytes. */
export class CopyRows implements CopySink {
  readonly #expected: number;
  #bytes = new Uint8Array(0);
  #filled = 0;
  readonly #positions: number[] = [];
  readonly #ends: number[] = [];
  /** How many bytes of the current row have not arrived yet. */
  #left = 0;
  /** The part between two rows' bytes, as far as it has arrived, and its length. */
  readonly #head = new DataView(new ArrayBuffer(HEADER_BYTES));
  #headFilled = 0;
  #headBytes = HEADER_BYTES;
  #ended = false;

  /** @param expected about how many bytes all rows have together */
  constructor(expected = 0) {
    this.#expected = expected;
  }

  room(): Uint8Array | null {
    return this.#left === 0 ? null : this.#bytes.subarray(this.#filled, this.#filled + this.#left);
  }

  add(piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#left === 0) {
        this.#head.setUint8(this.#headFilled++, piece[at++]!);
        if (this.#headFilled === this.#headBytes) this.#between();
        continue;
      }
      const part = piece.subarray(at, at + this.#left);
      if (!this.#holds(part)) this.#bytes.set(part, this.#filled);
      this.#filled += part.length;
      this.#left -= part.length;
      at += part.length;
    }
  }

  /** The rows, as views of one buffer. @throws RangeError when the COPY is incomplete */
  rows(): ScannedRow[] {
    if (!this.#ended) throw new RangeError("a COPY that does not end");
    const bytes = this.#filled < this.#bytes.length * WELL_FILLED
      ? this.#bytes.slice(0, this.#filled)
      : this.#bytes;
    return this.#positions.map((position, row) => ({
      position,
      data: bytes.subarray(this.#ends[row - 1] ?? 0, this.#ends[row]),
    }));
  }

  /** Whether the socket has received this part of a row directly into our buffer. */
  #holds(part: Uint8Array): boolean {
    return part.buffer === this.#bytes.buffer &&
      part.byteOffset === this.#bytes.byteOffset + this.#filled;
  }

  /** Handles the part between two rows' bytes once enough of it has arrived. */
  #between(): void {
    const head = this.#head;
    if (this.#headBytes === ROW_BYTES) {
      this.#positions.push(head.getInt32(6) * 2 ** 32 + head.getUint32(10));
      this.#left = head.getInt32(14);
      this.#ends.push(this.#filled + this.#left);
      this.#fit(this.#filled + this.#left);
    } else if (this.#headBytes === COUNT_BYTES) {
      this.#ended = head.getInt16(0) === NO_MORE;
      if (!this.#ended) {
        this.#headBytes = ROW_BYTES;
        return;
      }
    }
    this.#headBytes = COUNT_BYTES;
    this.#headFilled = 0;
  }

  #fit(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    // More than expected is usually the rest of one segment, so the buffer grows by a quarter only.
    const grown = this.#bytes.length === 0 ? this.#expected : this.#filled * 1.25;
    const larger = new Uint8Array(Math.max(bytes, Math.ceil(grown)));
    larger.set(this.#bytes.subarray(0, this.#filled));
    free(this.#bytes);
    this.#bytes = larger;
  }
}
