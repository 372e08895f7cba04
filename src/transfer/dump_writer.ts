/** Writes the records of a dump as bytes. It knows the format, and nothing of databases. */
import { createHash, type Hash } from "node:crypto";
import { copyTogether } from "../lib/bytes.ts";
import { type DumpEnd, type DumpHeader, type Row } from "./dump_format.ts";

/** What the writer is given between two checksums; `data` follows a segment's line. */
export type WrittenRecord =
  | { readonly header: DumpHeader }
  | { readonly stream: Row }
  | { readonly producer: Row }
  | { readonly segment: Row; readonly data: Uint8Array }
  | { readonly subscription: Row }
  | { readonly link: Row }
  | { readonly key: Row }
  | { readonly access_token: Row }
  | { readonly url_key: Row }
  | { readonly end: DumpEnd };

/** About how many bytes leave together. */
const PIECE_BYTES = 1 << 20;

/** The members of a line that come first, where there are such; the others follow by name. */
const FIRST = ["id", "path", "name", "position", "bytes"];

const encoder = new TextEncoder();

export class DumpWriter {
  #hash: Hash = createHash("sha256");
  #entry = 0;
  #parts: Uint8Array[] = [];
  #partBytes = 0;

  /** Adds a record to the entry that is being written. */
  add(record: WrittenRecord): void {
    const { data, ...line } = record as WrittenRecord & { readonly data?: Uint8Array };
    const [[kind, value]] = Object.entries(line) as [[string, object]];
    const members = data === undefined ? value : { ...value, bytes: data.length };
    this.#line({ [kind]: kind === "header" ? members : ordered(members as Row) });
    if (data === undefined) return;
    this.#push(data);
    this.#push(encoder.encode("\n"));
  }

  /** Ends the entry with its checksum. */
  endEntry(): void {
    const sha256 = this.#hash.digest("hex");
    this.#hash = createHash("sha256");
    this.#line({ checksum: { entry: this.#entry++, sha256 } });
    // The checksum's own line belongs to no entry.
    this.#hash = createHash("sha256");
  }

  /** What was written since, once it is worth a piece or when all of it is asked for. */
  take(all = false): Uint8Array<ArrayBuffer> | null {
    if (this.#partBytes === 0 || (!all && this.#partBytes < PIECE_BYTES)) return null;
    const piece = copyTogether(this.#parts);
    [this.#parts, this.#partBytes] = [[], 0];
    return piece;
  }

  #line(value: object): void {
    this.#push(encoder.encode(`${JSON.stringify(value)}\n`));
  }

  #push(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#parts.push(bytes);
    this.#partBytes += bytes.length;
  }
}

/** Without null members and in one order, so that equal rows are equal lines. */
function ordered(row: Row): Row {
  const rank = (name: string) => FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
  return Object.fromEntries(
    Object.entries(row)
      .filter(([, value]) => value !== null && value !== undefined)
      .sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1)),
  );
}
