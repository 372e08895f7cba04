/** The database side of a load: rows in, many at a time. It decides nothing. */
import { sql } from "drizzle-orm";
import { copyTogether } from "../lib/bytes.ts";
import type { Database, Drizzle, Parameter } from "../storage/database.ts";
import { loads } from "../storage/schema.ts";
import type { DumpHeader, Row, Table } from "./dump_format.ts";
import { LoadRefused } from "./load_refusals.ts";

/** How far a load has come: the last entry that is loaded. */
export interface Progress {
  readonly entry: number;
  readonly checksum: string;
  readonly streamId: number;
}

/** A stream of the database at a path or under an id that a dump names. */
export interface Present {
  readonly id: number;
  readonly path: string;
  readonly state: string;
  readonly tail: number;
  readonly closed: boolean;
}

/** A segment on its way in; `row` holds its position and state columns. */
export interface LoadedSegment {
  readonly streamId: number;
  readonly row: Row;
  readonly data: Uint8Array;
}

/** A stream whose rows of other tables are in the database. `replaces` is deleted for it. */
export interface FinishedStream {
  readonly row: Row & { readonly id: number; readonly path: string };
  readonly replaces: number | null;
}

export class LoadTarget {
  readonly #database: Database;
  readonly #columns: DumpHeader["columns"];

  constructor(database: Database, header: DumpHeader) {
    this.#database = database;
    this.#columns = header.columns;
  }

  /** The load that has not ended, if there is one. */
  async progress(): Promise<Progress | null> {
    const [row] = await this.#database.query<{ entry: number; checksum: string; stream: number }>(
      "select entry, checksum, stream_id as stream from penstock.loads",
    );
    return row === undefined
      ? null
      : { entry: row.entry, checksum: row.checksum, streamId: row.stream };
  }

  /** Whether the database holds any stream, and whether one has a path that begins so. */
  async occupied(prefix: string): Promise<{ readonly any: boolean; readonly path: string | null }> {
    const [row] = await this.#database.query<{ any: boolean; path: string | null }>(
      `select exists (select from penstock.streams) as any,
        (select s.path from penstock.streams s
          where s.state <> 'deleted' and starts_with(s.path, $1) limit 1) as path`,
      [prefix],
    );
    return row!;
  }

  /** From now on the database gives new streams ids that neither it nor the dump has given. */
  async reserveIds(last: number): Promise<void> {
    // Nothing is to take an id between the two statements: creations wait.
    await this.#database.transaction(async (transaction) => {
      await transaction.execute(
        sql.raw("lock table penstock.streams in share row exclusive mode"),
      );
      await transaction.execute(
        sql`select setval('penstock.streams_id_seq',
            case when q.is_called then greatest(q.last_value, ${last}::bigint) else ${last} end)
          from penstock.streams_id_seq q
          where ${last}::bigint > 0`,
      );
    });
  }

  /** Whatever holds the path or the id. */
  async present(path: string, id: number): Promise<Present[]> {
    return await this.#database.query<Present>(
      `select v.id, v.path, v.state, v.tail, v.closed from penstock.stream_states v
      where (v.path = $1 and v.state <> 'deleted') or v.id = $2`,
      [path, id],
    );
  }

  async addSegments(segments: readonly LoadedSegment[]): Promise<void> {
    if (segments.length === 0) return;
    let start = 0;
    const rows = segments.map(({ streamId, row, data }) => {
      const described = { ...row, stream_id: streamId, start, length: data.length };
      start += data.length;
      return described;
    });
    const state = listOf(this.#columns.segments);
    await this.#database.query(
      `insert into penstock.segments (stream_id, data, ${state})
      select p.stream_id, substring($2::bytea from (e ->> 'start')::integer + 1
        for (e ->> 'length')::integer), ${state}
      from json_array_elements($1::json) e
      cross join lateral json_populate_record(null::penstock.segments, e) p`,
      [JSON.stringify(rows), copyTogether(segments.map(({ data }) => data))],
    );
  }

  async addProducers(rows: readonly Row[]): Promise<void> {
    if (rows.length === 0) return;
    const columns = listOf(["stream_id", ...this.#columns.producers]);
    await this.#database.query(
      `insert into penstock.producers (${columns})
      select ${columns} from json_populate_recordset(null::penstock.producers, $1::json)`,
      [JSON.stringify(rows)],
    );
  }

  /** Makes streams visible, all or none, and notes how far the load is. */
  async addStreams(streams: readonly FinishedStream[], progress: Progress): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      for (const { row, replaces } of streams) {
        if (replaces === null) continue;
        const [{ outcome }] = await transaction.execute(
          sql`select outcome from penstock.terminate_stream(${replaces}, false)`,
        ) as unknown as [{ outcome: string }];
        if (outcome !== "deleted" && outcome !== "not_found") {
          throw new LoadRefused(`${row.path} cannot be replaced: forks read from the one there is`);
        }
      }
      if (streams.length > 0) {
        const columns = sql.raw(listOf(this.#columns.streams));
        await transaction.execute(
          sql`insert into penstock.streams (${columns}) overriding system value
            select ${columns} from json_populate_recordset(null::penstock.streams,
              ${JSON.stringify(streams.map(({ row }) => row))}::json)`,
        );
        for (const [source, forks] of Map.groupBy(streams, ({ row }) => row.source_id)) {
          if (source === null || source === undefined) continue;
          const found = await transaction.execute(
            sql`update penstock.streams set fork_count = fork_count + ${forks.length}
              where id = ${source as number} and state <> 'deleted' returning id`,
          ) as unknown as unknown[];
          if (found.length > 0) continue;
          throw new LoadRefused(
            `${forks[0]!.row.path} is a fork of ${forks[0]!.row.source_path}, which was skipped`,
          );
        }
      }
      await this.#note(transaction, progress);
    });
  }

  /**
   * An id for a subscription whose links are to come; null where it is to be left out. Links whose
   * subscription is not there count nowhere, so there may be any number before it is.
   */
  async subscriptionId(name: string, replace: boolean): Promise<number | null> {
    const [row] = await this.#database.query<{ id: number | null }>(
      `select case when not $2::boolean and exists (
          select from penstock.subscriptions u where u.name = $1 and u.deleted_at is null)
        then null else nextval('penstock.subscriptions_id_seq') end as id`,
      [name, replace],
    );
    return row!.id;
  }

  async addLinks(subscription: number, links: readonly Row[]): Promise<void> {
    if (links.length === 0) return;
    const columns = listOf(this.#columns.subscription_links);
    await this.#database.query(
      `insert into penstock.subscription_links (subscription_id, ${columns})
      select $1, ${columns}
      from json_populate_recordset(null::penstock.subscription_links, $2::json)`,
      [subscription, JSON.stringify(links)],
    );
  }

  /** Adds a subscription whose links are there. False: another has taken its name meanwhile. */
  async addSubscription(id: number, row: Row, replace: boolean): Promise<boolean> {
    return await this.#database.transaction(async (transaction) => {
      const name = row.name as string;
      await transaction.execute(
        sql.raw("select pg_advisory_xact_lock(penstock.lock_key(-2))"),
      );
      const present = await transaction.execute(
        sql`select id from penstock.subscriptions where name = ${name} and deleted_at is null`,
      ) as unknown as unknown[];
      if (present.length > 0 && !replace) return false;
      if (present.length > 0) {
        await transaction.execute(sql`select penstock.delete_subscription(${name})`);
      }
      const columns = sql.raw(listOf(this.#columns.subscriptions));
      await transaction.execute(
        sql`insert into penstock.subscriptions (id, ${columns}) overriding system value
          select ${id}, ${columns} from json_populate_record(null::penstock.subscriptions,
            ${JSON.stringify(row)}::json)`,
      );
      return true;
    });
  }

  /** Removes links whose subscription was not added; null: of any that is not there. */
  async removeLinks(subscription: number | null): Promise<void> {
    const orphans = `r.subscription_id = coalesce($1, r.subscription_id)
      and not exists (select from penstock.subscriptions u where u.id = r.subscription_id)`;
    await this.#remove("subscription_links", orphans, [subscription]);
  }

  /** Adds a signing key. Where the database signs with one already, this one only verifies. */
  async addKey(row: Row): Promise<void> {
    const columns = listOf(this.#columns.keys);
    await this.#database.query(
      `insert into penstock.keys (${columns})
      select ${columns.replace('"retired_at"', RETIRED_AT)}
      from json_populate_record(null::penstock.keys, $1::json) r
      on conflict (kid) do nothing`,
      [JSON.stringify(row)],
    );
  }

  /** Adds an access token, unless there is one of its name. */
  async addAccessToken({ parent, ...row }: Row): Promise<void> {
    const columns = listOf(this.#columns.access_tokens);
    await this.#database.query(
      `insert into penstock.access_tokens (parent_id, ${columns})
      select (select t.id from penstock.access_tokens t where t.name = $2), ${columns}
      from json_populate_record(null::penstock.access_tokens, $1::json)
      on conflict do nothing`,
      [JSON.stringify(row), (parent ?? null) as string | null],
    );
    await this.#database.query("update penstock.access_revision set revision = revision + 1");
  }

  /** Adds a key of signed URLs, unless the token that made it is not there, or it is already. */
  async addUrlKey({ token_hash: hash, ...row }: Row): Promise<void> {
    const columns = listOf(this.#columns.url_keys);
    await this.#database.query(
      `insert into penstock.url_keys (token_id, ${columns})
      select (select t.id from penstock.access_tokens t where t.hash = $2), ${columns}
      from json_populate_record(null::penstock.url_keys, $1::json)
      where $2::text is null
        or exists (select from penstock.access_tokens t where t.hash = $2)
      on conflict do nothing`,
      [JSON.stringify(row), (hash ?? null) as string | null],
    );
    await this.#database.query("update penstock.access_revision set revision = revision + 1");
  }

  /** Removes rows of streams that did not become visible: of ids beyond `after`, up to `last`. */
  async removeUnfinished(after: number, last: number): Promise<void> {
    const orphans = `r.stream_id > $1 and r.stream_id <= $2
      and not exists (select from penstock.streams s where s.id = r.stream_id)`;
    await this.#remove("segments", orphans, [after, last]);
    await this.#remove("producers", orphans, [after, last]);
  }

  /** The load has ended: nothing is left to go on with. */
  async end(): Promise<void> {
    await this.#database.query("delete from penstock.loads");
  }

  /** Removes the rows `r` of a table that meet a condition, a bounded number at a time. */
  async #remove(table: Table, condition: string, parameters: readonly Parameter[]): Promise<void> {
    // Segments have up to a mebibyte of bytes, which are deleted with them.
    const most = table === "segments" ? 1000 : 10_000;
    for (let removed = 1; removed > 0;) {
      const [row] = await this.#database.query<{ removed: number }>(
        `with gone as (
          delete from penstock.${table} t where t.ctid = any (array(
            select r.ctid from penstock.${table} r where ${condition} limit ${most}))
          returning 1
        ) select count(*) as removed from gone`,
        parameters,
      );
      removed = row!.removed;
    }
  }

  async #note(transaction: Drizzle, { entry, checksum, streamId }: Progress): Promise<void> {
    const values = { entry, checksum, streamId };
    await transaction.insert(loads).values({ id: 1, ...values })
      .onConflictDoUpdate({ target: loads.id, set: values });
  }
}

/** A key of a purpose that another signs for already is retired. */
const RETIRED_AT = `case
    when exists (select from penstock.keys k
      where k.purpose = r.purpose and k.retired_at is null and k.kid <> r.kid)
    then coalesce(r.retired_at, clock_timestamp()) else r.retired_at end`;

/** @throws LoadRefused where the dump has columns that the database has not */
export function checkColumns(dumped: DumpHeader["columns"], known: DumpHeader["columns"]): void {
  for (const table of Object.keys(dumped) as Table[]) {
    for (const column of dumped[table]) {
      if (known[table]?.includes(column)) continue;
      throw new LoadRefused(
        `the dump holds ${table}.${String(column).slice(0, 64)}, which this Penstock does not ` +
          "know: it was written by a newer version",
      );
    }
  }
}

/** Names that `checkColumns` has found in the catalog. */
function listOf(columns: readonly string[]): string {
  return columns.map((column) => `"${column}"`).join(", ");
}
