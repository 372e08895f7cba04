/** The rows of streams in a snapshot, read a bounded number of bytes at a time. */
import { numberArray, type Snapshot } from "../storage/database.ts";
import type { Row, Table } from "./dump_format.ts";

/** What is not carried: it follows from other rows, or means nothing elsewhere. */
const LEFT_OUT: Readonly<Record<Table, readonly string[]>> = {
  // A load counts as an access, and counts forks anew.
  streams: ["last_access", "fork_count"],
  segments: ["stream_id", "data"],
  producers: ["stream_id"],
  // A wake in flight belongs to the server that has issued it.
  subscriptions: [
    ...["id", "deleted_at", "phase", "wake_id", "holder", "due_at", "failures", "failing_since"],
  ],
  subscription_links: ["subscription_id", "pending", "reattached"],
  keys: [],
  access_tokens: ["id", "parent_id"],
  url_keys: ["token_id"],
};

export type Columns = Readonly<Record<Table, readonly string[]>>;

/** The columns of each table that a dump carries, by name, so that those of later steps are among them. */
export async function carriedColumns(database: Pick<Snapshot, "query">): Promise<Columns> {
  const rows = await database.query<{ table: Table; column: string }>(
    `select c.relname::text as table, a.attname::text as column
    from pg_attribute a join pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'penstock'::regnamespace and c.relkind = 'r'
      and a.attnum > 0 and not a.attisdropped
    order by 1, 2`,
  );
  return Object.fromEntries(
    Object.entries(LEFT_OUT).map(([table, left]) => [
      table,
      rows.filter((row) => row.table === table && !left.includes(row.column))
        .map(({ column }) => column),
    ]),
  ) as unknown as Columns;
}

/** A stream as a dump begins it. */
export interface StoredStream {
  readonly row: Row & { readonly id: number; readonly path: string };
  /** The bytes of its own, without those of its sources. */
  readonly bytes: number;
}

const STREAMS = `select s.id, to_json(s)::text as row, v.expired,
    v.tail - coalesce(s.fork_position, 0) as bytes,
    v.state = 'active' and not v.expired and starts_with(s.path, $2) as visible
  from penstock.streams s join penstock.stream_states v on v.id = s.id
  where s.id > $1 and s.state <> 'deleted'
    and (starts_with(s.path, $2) or s.fork_count > 0)
  order by s.id limit 500`;

/** The sources of the forks that are visible, and their sources. */
const SOURCES = `with recursive needed as (
    select v.source_id as id from penstock.stream_states v
    where v.source_id is not null and v.state = 'active' and not v.expired
      and starts_with(v.path, $1)
    union
    select s.source_id from needed n join penstock.streams s on s.id = n.id
    where s.source_id is not null
  ) select id from needed`;

/**
 * Batches of the streams below a prefix and of the sources that their forks read from, in ascending
 * order of id: so sources come before their forks. A stream that has expired is left out, or counts
 * as deleted where forks need it.
 */
export async function* storedStreams(
  snapshot: Snapshot,
  prefix: string,
  columns: readonly string[],
): AsyncGenerator<StoredStream[]> {
  const sources = new Set(
    (await snapshot.query<{ id: number }>(SOURCES, [prefix])).map(({ id }) => id),
  );
  for (let after = 0;;) {
    const rows = await snapshot.query<
      { id: number; row: string; expired: boolean; bytes: number; visible: boolean }
    >(STREAMS, [after, prefix]);
    if (rows.length === 0) return;
    after = rows.at(-1)!.id;
    const kept = rows.filter(({ id, visible }) => visible || sources.has(id));
    yield kept.map(({ row, expired, bytes }) => {
      const whole = picked(JSON.parse(row), columns) as StoredStream["row"];
      return { row: expired ? { ...whole, state: "soft_deleted" } : whole, bytes };
    });
  }
}

/** About how many bytes one query yields. */
const PAGE_BYTES = 4 << 20;
const PAGE_ROWS = 2000;

export interface StoredSegment {
  readonly streamId: number;
  readonly position: number;
  /** The columns that are carried, without the position. */
  readonly row: Row;
  readonly data: Uint8Array;
}

/** The state columns by name, because the bytes are not to go through JSON. */
function segmentsQuery(columns: readonly string[]): string {
  const members = columns.filter((name) => name !== "position")
    .map((name) => `'${name}', g."${name}"`);
  return `select stream_id, position, row, data from (
    select g.stream_id, g.position, g.data, json_build_object(${members.join(", ")})::text as row,
      sum(length(g.data)) over (order by g.stream_id, g.position) - length(g.data) as before
    from (
      select * from penstock.segments s
      where s.stream_id = any ($1::bigint[]) and (s.stream_id, s.position) > ($2, $3)
      order by s.stream_id, s.position limit ${PAGE_ROWS}
    ) g
  ) page
  where before < ${PAGE_BYTES}
  order by stream_id, position`;
}

/** The segments of these streams, in order. */
export async function* storedSegments(
  snapshot: Snapshot,
  streams: readonly StoredStream[],
  columns: readonly string[],
): AsyncGenerator<StoredSegment> {
  const query = segmentsQuery(columns);
  for (const group of groupsOf(streams)) {
    const ids = numberArray(group.map(({ row }) => row.id));
    for (let [id, position] = [0, -1];;) {
      const rows = await snapshot.query<
        { stream_id: number; position: number; row: string; data: Uint8Array }
      >(query, [ids, id, position]);
      let bytes = 0;
      for (const { stream_id: streamId, position, row, data } of rows) {
        bytes += data.length;
        yield { streamId, position, row: JSON.parse(row) as Row, data };
      }
      if (rows.length < PAGE_ROWS && bytes < PAGE_BYTES) break;
      [id, position] = [rows.at(-1)!.stream_id, rows.at(-1)!.position];
    }
  }
}

/** Large streams alone: a query of one stream goes by the index from page to page. */
function groupsOf(streams: readonly StoredStream[]): StoredStream[][] {
  const groups: StoredStream[][] = [];
  let room = 0;
  for (const stream of streams) {
    if (stream.bytes > room || groups.length === 0) {
      groups.push([]);
      room = PAGE_BYTES / 4;
    }
    groups.at(-1)!.push(stream);
    room -= stream.bytes;
  }
  return groups;
}

const PAGE_PRODUCERS = 5000;
const PRODUCERS = `select distinct on (p.stream_id, p.producer_id)
    p.stream_id, p.producer_id, to_json(p)::text as row
  from penstock.producers p
  where p.stream_id = any ($1::bigint[]) and (p.stream_id, p.producer_id) > ($2, $3)
  order by p.stream_id, p.producer_id, p.epoch desc, p.last_seq desc
  limit ${PAGE_PRODUCERS}`;

/** The newest row of each producer of these streams, in order. */
export async function* storedProducers(
  snapshot: Snapshot,
  streams: readonly StoredStream[],
  columns: readonly string[],
): AsyncGenerator<{ readonly streamId: number; readonly row: Row }> {
  const ids = numberArray(streams.map(({ row }) => row.id));
  for (let [id, producer] = [0, ""];;) {
    const rows = await snapshot.query<{ stream_id: number; producer_id: string; row: string }>(
      PRODUCERS,
      [ids, id, producer],
    );
    for (const { stream_id: streamId, row } of rows) {
      yield { streamId, row: picked(JSON.parse(row), columns) };
    }
    if (rows.length < PAGE_PRODUCERS) return;
    [id, producer] = [rows.at(-1)!.stream_id, rows.at(-1)!.producer_id];
  }
}

export function picked(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((column) => [column, row[column]]));
}
