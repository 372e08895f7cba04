/** Ranges of a stream's segments, by one statement each. */
import { Refused } from "../../errors.ts";
import type { Database } from "../../storage/database.ts";
import { concatenate } from "../../lib/bytes.ts";

/** The most segments in one load, which could otherwise hold very many tiny ones. */
const MAX_SEGMENTS = 8192;

/**
 * `length` costs little here: PostgreSQL knows the length of TOASTed bytes without reading them.
 */
const SCAN = `select s.position, s.data from penstock.segments s
  where s.stream_id = $1 and s.position < $3 and s.position >= coalesce(
    (select max(f.position) from penstock.segments f
      where f.stream_id = $1 and f.position <= $2), $2)
    and (s.position <= $2 or s.position + length(s.data) <= $3)
  order by s.position limit ${MAX_SEGMENTS}`;

/** Whole segments, one after another: from the one that holds the range's start. */
export interface StoredRange {
  readonly first: number;
  readonly bytes: Uint8Array;
}

/**
 * The bytes of the segments that lie in `start` to `stop`, the first and the last in full; fewer of
 * them where segments are tiny.
 * @throws Refused `not_found` when they are being reaped: the stream's state says that they exist
 */
export async function readSegments(
  database: Database,
  id: number,
  start: number,
  stop: number,
): Promise<StoredRange> {
  const [row] = await database.hedged<{ first: number; data: Uint8Array; whole: boolean }>(
    "select first, data, whole from penstock.read_segments($1, $2, $3, $4)",
    [id, start, stop, MAX_SEGMENTS],
  );
  if (row === undefined || !row.whole) throw new Refused({ kind: "not_found" });
  return ensureHolds(start, { first: row.first, bytes: row.data });
}

/**
 * The same for many bytes, see `Database.scan`. It ends with the last segment that ends by `stop`,
 * or with the one that holds `start`.
 */
export async function scanSegments(
  database: Database,
  id: number,
  start: number,
  stop: number,
): Promise<StoredRange> {
  const rows = await database.scan(SCAN, [id, start, stop], stop - start);
  const first = rows[0]?.position ?? start;
  let reach = first;
  for (const { position, data } of rows) {
    if (position !== reach) throw new Refused({ kind: "not_found" });
    reach += data.length;
  }
  return ensureHolds(start, { first, bytes: join(rows.map(({ data }) => data)) });
}

/** Joins parts, without a copy when they are adjacent in one buffer. */
function join(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (first === undefined) return new Uint8Array(0);
  let length = 0;
  for (const part of parts) {
    const follows = part.buffer === first.buffer && part.byteOffset === first.byteOffset + length;
    if (!follows) return concatenate(parts);
    length += part.length;
  }
  return new Uint8Array(first.buffer, first.byteOffset, length);
}

function ensureHolds(start: number, range: StoredRange): StoredRange {
  if (range.first <= start && start < range.first + range.bytes.length) return range;
  throw new Refused({ kind: "not_found" });
}
