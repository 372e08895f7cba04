/** Reads the bytes of a dump as records, and refuses what was cut off or altered. */
import { createHash, type Hash } from "node:crypto";
import { copyTogether } from "../lib/bytes.ts";
import {
  type DumpEnd,
  type DumpHeader,
  type DumpRecord,
  DumpRefused,
  ENTRIES,
  FORMAT_VERSION,
  MAX_LINE_BYTES,
  MAX_SEGMENT_BYTES,
  type RecordKind,
  type Row,
} from "./dump_format.ts";

const LINE_FEED = 0x0a;

/**
 * The records of a dump, in order; a `checksum` comes only when it is right. Its last record is the
 * checksum of the `end`.
 * @param pieces the dump, not compressed
 * @throws DumpRefused where it is no dump, ends early, or is not as it was written
 */
export async function* readDump(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<DumpRecord> {
  const input = new HashedInput(pieces);
  let began: RecordKind | null = null;
  let entry = 0;
  while (true) {
    const before = input.hash();
    const line = await input.line();
    if (line === null) throw new DumpRefused(cutOff(entry));
    const [name, value] = parseLine(line, entry);
    if (name === "checksum") {
      checkChecksum(value, { entry, sha256: before, began });
      yield { kind: "checksum", entry, sha256: before };
      input.restart();
      if (began === "end") break;
      [began, entry] = [null, entry + 1];
      continue;
    }
    const kind = kindOf(name, began, entry);
    if (began === null) began = kind;
    yield await recordOf(kind, value, { input, entry });
  }
  if (await input.line() !== null) throw new DumpRefused("something follows the end of the dump");
}

function parseLine(line: Uint8Array, entry: number): [string, Row] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
  } catch {
    throw new DumpRefused(
      entry === 0 ? "this is no dump of Penstock" : `a line of ${nameOf(entry)} is not JSON`,
    );
  }
  const [member, ...others] = isObject(parsed) ? Object.entries(parsed) : [];
  if (member === undefined || others.length > 0 || !isObject(member[1])) {
    throw new DumpRefused(
      entry === 0 ? "this is no dump of Penstock" : `a line of ${nameOf(entry)} is no record`,
    );
  }
  return member as [string, Row];
}

function kindOf(name: string, began: RecordKind | null, entry: number): RecordKind {
  const kind = name as RecordKind;
  const allowed = began === null
    ? entry === 0 ? kind === "header" : kind !== "header" && Object.hasOwn(ENTRIES, kind)
    : ENTRIES[began]!.includes(kind);
  if (allowed) return kind;
  throw new DumpRefused(
    entry === 0 && began === null
      ? "this is no dump of Penstock"
      : `${nameOf(entry)} holds a record "${name.slice(0, 40)}", which this Penstock does not know`,
  );
}

async function recordOf(
  kind: RecordKind,
  value: Row,
  { input, entry }: { readonly input: HashedInput; readonly entry: number },
): Promise<DumpRecord> {
  if (kind === "header") return { kind, header: checkHeader(value) };
  if (kind === "end") return { kind, end: value as unknown as DumpEnd };
  if (kind !== "segment") return { kind, row: value } as DumpRecord;
  const { bytes, ...row } = value;
  if (!Number.isSafeInteger(bytes) || Number(bytes) < 0 || Number(bytes) > MAX_SEGMENT_BYTES) {
    throw new DumpRefused(`${nameOf(entry)} has a segment of a length that cannot be`);
  }
  const data = await input.bytes(Number(bytes) + 1);
  if (data === null) throw new DumpRefused(cutOff(entry));
  if (data.at(-1) !== LINE_FEED) {
    throw new DumpRefused(
      `${nameOf(entry)} is not as it was written: a segment has another length`,
    );
  }
  return { kind, row, data: data.subarray(0, -1) };
}

function checkHeader(value: Row): DumpHeader {
  const header = value as unknown as DumpHeader;
  const version = header.penstock_dump;
  if (!Number.isInteger(version)) throw new DumpRefused("this is no dump of Penstock");
  if (version !== FORMAT_VERSION) {
    throw new DumpRefused(
      `the dump has format ${version}, and this Penstock reads format ${FORMAT_VERSION}: ` +
        "use the Penstock that wrote it or a newer one",
    );
  }
  const known = isObject(header.columns) && typeof header.prefix === "string" &&
    Number.isSafeInteger(header.last_stream_id);
  if (!known) throw new DumpRefused("the dump's header lacks something");
  return header;
}

function checkChecksum(
  value: Row,
  expected: { readonly entry: number; readonly sha256: string; readonly began: RecordKind | null },
): void {
  const { entry, sha256, began } = expected;
  if (value.sha256 !== sha256) {
    throw new DumpRefused(
      `the checksum of ${nameOf(entry)} is wrong: the dump is not as it was written`,
    );
  }
  if (began === null || value.entry !== entry) {
    throw new DumpRefused(`${nameOf(entry)} is missing: the dump is not as it was written`);
  }
}

function cutOff(entry: number): string {
  return entry === 0
    ? "this is no whole dump of Penstock"
    : `the dump ends within ${nameOf(entry)}`;
}

function nameOf(entry: number): string {
  return `entry ${entry}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Takes lines and runs of bytes out of pieces of any length, and hashes what was taken. */
class HashedInput {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #hash: Hash = createHash("sha256");
  #rest: Uint8Array = new Uint8Array(0);

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Of what was taken since the last `restart`. */
  hash(): string {
    return this.#hash.copy().digest("hex");
  }

  restart(): void {
    this.#hash = createHash("sha256");
  }

  /** The next line without its line feed; null at the end, or where the end comes before it. */
  async line(): Promise<Uint8Array | null> {
    const parts: Uint8Array[] = [];
    let length = 0;
    while (true) {
      const at = this.#rest.indexOf(LINE_FEED);
      const part = at < 0 ? this.#rest : this.#rest.subarray(0, at);
      parts.push(part);
      length += part.length;
      if (length > MAX_LINE_BYTES) throw new DumpRefused("this is no dump: a line is too long");
      this.#rest = at < 0 ? new Uint8Array(0) : this.#rest.subarray(at + 1);
      if (at >= 0) break;
      if (!await this.#more()) return null;
    }
    const line = copyTogether(parts);
    this.#hash.update(line);
    this.#hash.update("\n");
    return line;
  }

  async bytes(length: number): Promise<Uint8Array | null> {
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0;) {
      if (this.#rest.length === 0 && !await this.#more()) return null;
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      parts.push(part);
      left -= part.length;
    }
    const whole = copyTogether(parts);
    this.#hash.update(whole);
    return whole;
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#pieces.next();
    if (done === true) return false;
    this.#rest = value;
    return true;
  }
}
