/**
 * Rows of `(bigint, bytea)` as COPY sends them in its binary format. Over the extended protocol
 * postgres.js asks for text, and hexadecimal costs both ends five times the work of the bytes.
 */
import type { ScannedRow } from "./database.ts";

/** The signature, the flags, and an extension of no length. */
const HEADER_BYTES = 19;

/** What a COPY stream brings, in pieces that end anywhere. */
export class CopyRows {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  /** Views of what was added. @throws RangeError when it is not whole */
  rows(): ScannedRow[] {
    const bytes = this.#whole();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const rows: ScannedRow[] = [];
    let at = HEADER_BYTES;
    // Each row: how many values, then each value's length before it. No more rows: -1 values.
    while (view.getInt16(at) === 2) {
      const position = view.getInt32(at + 6) * 2 ** 32 + view.getUint32(at + 10);
      const length = view.getInt32(at + 14);
      const start = at + 18;
      at = start + length;
      rows.push({ position, data: bytes.subarray(start, at) });
    }
    return rows;
  }

  #whole(): Uint8Array {
    if (this.#pieces.length === 1) return this.#pieces[0]!;
    const whole = new Uint8Array(this.#length);
    let filled = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, filled);
      filled += piece.length;
    }
    return whole;
  }
}

/** COPY takes no parameters. Whole numbers are the only ones that may stand in its text. */
export function withNumbers(statement: string, numbers: readonly number[]): string {
  return statement.replace(/\$(\d+)/g, (_, index) => {
    const value = numbers[Number(index) - 1];
    if (!Number.isSafeInteger(value)) throw new RangeError(`$${index} is not a whole number`);
    return String(value);
  });
}
