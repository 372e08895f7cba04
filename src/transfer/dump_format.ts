/**
 * The format of a dump, as docs/dump_format.md describes it: entries of lines of JSON, each closed by
 * a checksum of its own, and the bytes of a segment behind the line that announces them.
 */

/** Counted up when a reader of before could misread a dump. */
export const FORMAT_VERSION = 1;

/** The longest line. It holds a path, a rule or labels, never a stream's bytes. */
export const MAX_LINE_BYTES = 4 << 20;

/** The longest run of bytes behind a line: the largest message that a server accepts, with room. */
export const MAX_SEGMENT_BYTES = 320 << 20;

/** A row of a table: its columns by name. Members that are null are left out. */
export type Row = Readonly<Record<string, unknown>>;

/** The tables that a dump carries rows of. */
export const TABLES = [
  "streams",
  "segments",
  "producers",
  "subscriptions",
  "subscription_links",
  "keys",
  "access_tokens",
  "url_keys",
] as const;
export type Table = typeof TABLES[number];

/** The first line. */
export interface DumpHeader {
  readonly penstock_dump: number;
  /** The Penstock that wrote it. */
  readonly penstock: string;
  /** What the paths of its streams begin with; sources of their forks may lie elsewhere. */
  readonly prefix: string;
  /** The last id that the database had given to a stream: no later stream may get one up to it. */
  readonly last_stream_id: number;
  /** The columns that rows of each table may have: others take their defaults. */
  readonly columns: Readonly<Record<Table, readonly string[]>>;
}

/** The last line before the last checksum. */
export interface DumpEnd {
  readonly streams: number;
  readonly bytes: number;
  readonly subscriptions: number;
}

/** One line and what follows it. An entry ends with its `checksum`. */
export type DumpRecord =
  | { readonly kind: "header"; readonly header: DumpHeader }
  | { readonly kind: "stream"; readonly row: Row }
  | { readonly kind: "producer"; readonly row: Row }
  | { readonly kind: "segment"; readonly row: Row; readonly data: Uint8Array }
  | { readonly kind: "subscription"; readonly row: Row }
  | { readonly kind: "link"; readonly row: Row }
  | { readonly kind: "key"; readonly row: Row }
  | { readonly kind: "access_token"; readonly row: Row }
  | { readonly kind: "url_key"; readonly row: Row }
  | { readonly kind: "end"; readonly end: DumpEnd }
  | { readonly kind: "checksum"; readonly entry: number; readonly sha256: string };

export type RecordKind = DumpRecord["kind"];

/** The records that begin an entry, each with those that may follow in it. */
export const ENTRIES: Readonly<Partial<Record<RecordKind, readonly RecordKind[]>>> = {
  header: [],
  stream: ["producer", "segment"],
  subscription: ["link"],
  key: [],
  access_token: [],
  url_key: [],
  end: [],
};

/** The dump cannot be read on from here. The message is a sentence for its reader. */
export class DumpRefused extends Error {
  override name = "DumpRefused";
}
