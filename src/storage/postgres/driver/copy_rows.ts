/**
 * Rows of `(bigint, bytea)` as COPY sends them in its binary format. Over the extended protocol
 * postgres.js asks for text, and hexadecimal costs both ends five times the work of the bytes.
 */
import { free } from "../../../lib/reference_counts.ts";
import type { CopySink } from "./copy_tap.ts";
import type { ScannedRow } from "../../database.ts";

/** The signature, the flags, and an extension of no length. */
const HEADER_BYTES = 19;
/** How many values, the length of the first, the position, the length of the bytes. */
const ROW_BYTES = 18;
const COUNT_BYTES = 2;
/** In the place of a count: no more rows. */
const NO_MORE = -1;
/** A buffer of which less is filled is not worth keeping. */
const WELL_FILLED = 0.75;

/** What a COPY brings, in pieces that end anywhere. The bytes of all rows lie one after another. */
export class CopyRows implements CopySink {
  readonly #expected: number;
  #bytes = new Uint8Array(0);
  #filled = 0;
  readonly #positions: number[] = [];
  readonly #ends: number[] = [];
  /** Bytes of the last row that have not come yet. */
  #left = 0;
  /** What has come of the part between two rows' bytes, and how long that is. */
  readonly #head = new DataView(new ArrayBuffer(HEADER_BYTES));
  #headFilled = 0;
  #headBytes = HEADER_BYTES;
  #ended = false;

  /** @param expected bytes of all rows together, about */
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

  /** Views of one buffer. @throws RangeError when the COPY is not whole */
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

  /** Whether a part of a row was received in its place. */
  #holds(part: Uint8Array): boolean {
    return part.buffer === this.#bytes.buffer &&
      part.byteOffset === this.#bytes.byteOffset + this.#filled;
  }

  /** What stands between the bytes of rows is there, or so much of it that the rest is known. */
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
    // Beyond what was expected comes the rest of a segment, as a rule.
    const grown = this.#bytes.length === 0 ? this.#expected : this.#filled * 1.25;
    const larger = new Uint8Array(Math.max(bytes, Math.ceil(grown)));
    larger.set(this.#bytes.subarray(0, this.#filled));
    free(this.#bytes);
    this.#bytes = larger;
  }
}
