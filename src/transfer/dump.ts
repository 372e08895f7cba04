/** Dumps a database, or what lies below a prefix of it, as one snapshot. */
import type { Database, Snapshot } from "../storage/database.ts";
import { VERSION } from "../version.ts";
import { FORMAT_VERSION, type Row } from "./dump_format.ts";
import { DumpWriter } from "./dump_writer.ts";
import { joinRuns } from "./segment_runs.ts";
import {
  carriedColumns,
  type Columns,
  picked,
  storedProducers,
  storedSegments,
  type StoredStream,
  storedStreams,
} from "./stored_rows.ts";

export interface DumpOptions {
  /** What paths begin with; empty: all streams. */
  readonly prefix: string;
  /** Whether the keys that sign webhooks and tokens, and access tokens, are dumped too. */
  readonly secrets: boolean;
  /** Receives pieces in order. The next one comes when its promise has resolved. */
  write(piece: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Told after each stream. */
  onStream?(bytes: number): void;
}

/** A key of signed URLs. The token that made it, if one did, is named by its hash. */
interface UrlKeyRow {
  readonly id: string;
  readonly row: string;
  readonly token_hash: string | null;
}

export interface DumpReport {
  readonly streams: number;
  readonly bytes: number;
  readonly subscriptions: number;
}

/** @throws DatabaseUnavailable, or what `write` throws */
export function dumpDatabase(database: Database, options: DumpOptions): Promise<DumpReport> {
  return database.snapshot(async (snapshot) => {
    const columns = await carriedColumns(snapshot);
    const dump = new Dump(snapshot, columns, options);
    return await dump.run();
  });
}

class Dump {
  readonly #snapshot: Snapshot;
  readonly #columns: Columns;
  readonly #options: DumpOptions;
  readonly #writer = new DumpWriter();
  #streams = 0;
  #bytes = 0;
  #subscriptions = 0;

  constructor(snapshot: Snapshot, columns: Columns, options: DumpOptions) {
    this.#snapshot = snapshot;
    this.#columns = columns;
    this.#options = options;
  }

  async run(): Promise<DumpReport> {
    const { prefix, secrets } = this.#options;
    await this.#header(prefix);
    for await (const batch of storedStreams(this.#snapshot, prefix, this.#columns.streams)) {
      await this.#batch(batch);
    }
    await this.#dumpSubscriptions(prefix);
    if (secrets) await this.#secrets();
    const end = {
      streams: this.#streams,
      bytes: this.#bytes,
      subscriptions: this.#subscriptions,
    };
    this.#writer.add({ end });
    await this.#endEntry(true);
    return end;
  }

  async #header(prefix: string): Promise<void> {
    const [row] = await this.#snapshot.query<{ last: number }>(
      `select case when is_called then last_value else 0 end as last
      from penstock.streams_id_seq`,
    );
    this.#writer.add({
      header: {
        penstock_dump: FORMAT_VERSION,
        penstock: VERSION,
        prefix,
        last_stream_id: row!.last,
        columns: this.#columns,
      },
    });
    await this.#endEntry();
  }

  async #batch(batch: readonly StoredStream[]): Promise<void> {
    const producers = new Merge(
      storedProducers(this.#snapshot, batch, this.#columns.producers),
    );
    const segments = new Merge(
      joinRuns(storedSegments(this.#snapshot, batch, this.#columns.segments)),
    );
    for (const { row } of batch) {
      this.#writer.add({ stream: row });
      for await (const producer of producers.of(row.id)) {
        this.#writer.add({ producer: producer.row });
        await this.#send();
      }
      let bytes = 0;
      for await (const segment of segments.of(row.id)) {
        const { position, data } = segment;
        this.#writer.add({ segment: { position, ...segment.row }, data });
        bytes += data.length;
        await this.#send();
      }
      await this.#endEntry();
      this.#streams++;
      this.#bytes += bytes;
      this.#options.onStream?.(bytes);
    }
  }

  /** With a prefix, those that follow nothing else. */
  async #dumpSubscriptions(prefix: string): Promise<void> {
    const subscriptions = await this.#snapshot.query<{ id: number; row: string }>(
      `select u.id, to_json(u)::text as row from penstock.subscriptions u
      where u.deleted_at is null
        and (u.pattern is null or starts_with(u.pattern_prefix, $1))
        and not exists (select from penstock.subscription_links l
          where l.subscription_id = u.id and not starts_with(l.path, $1))
      order by u.name`,
      [prefix],
    );
    for (const { id, row } of subscriptions) {
      this.#writer.add({
        subscription: picked(JSON.parse(row), this.#columns.subscriptions),
      });
      for await (const link of this.#links(id)) {
        this.#writer.add({ link });
        await this.#send();
      }
      await this.#endEntry();
      this.#subscriptions++;
    }
  }

  async *#links(subscription: number): AsyncGenerator<Row> {
    for (let after = "";;) {
      const rows = await this.#snapshot.query<{ path: string; row: string }>(
        `select l.path, to_json(l)::text as row from penstock.subscription_links l
        where l.subscription_id = $1 and l.path > $2 order by l.path limit 5000`,
        [subscription, after],
      );
      if (rows.length === 0) return;
      for (const { row } of rows) {
        yield picked(JSON.parse(row), this.#columns.subscription_links);
      }
      after = rows.at(-1)!.path;
    }
  }

  async #secrets(): Promise<void> {
    const keys = await this.#snapshot.query<{ row: string }>(
      "select to_json(k)::text as row from penstock.keys k order by created_at, kid",
    );
    for (const { row } of keys) {
      this.#writer.add({ key: picked(JSON.parse(row), this.#columns.keys) });
      await this.#endEntry();
    }
    // A token comes after the one that made it, and names it: ids are not carried.
    const tokens = await this.#snapshot.query<{ row: string; parent: string | null }>(
      `select to_json(t)::text as row, p.name as parent
      from penstock.access_tokens t left join penstock.access_tokens p on p.id = t.parent_id
      order by t.id`,
    );
    for (const { row, parent } of tokens) {
      const token = picked(JSON.parse(row), this.#columns.access_tokens);
      this.#writer.add({ access_token: { ...token, parent } });
      await this.#endEntry();
    }
    for await (const { row, token_hash } of this.#urlKeys()) {
      const key = picked(JSON.parse(row), this.#columns.url_keys);
      this.#writer.add({ url_key: { ...key, token_hash } });
      await this.#endEntry();
    }
  }

  async *#urlKeys(): AsyncGenerator<UrlKeyRow> {
    for (let after = "";;) {
      const rows = await this.#snapshot.query<UrlKeyRow>(
        `select k.id, to_json(k)::text as row, t.hash as token_hash
        from penstock.url_keys k left join penstock.access_tokens t on t.id = k.token_id
        where k.id > $1 order by k.id limit 5000`,
        [after],
      );
      if (rows.length === 0) return;
      yield* rows;
      after = rows.at(-1)!.id;
    }
  }

  async #endEntry(last = false): Promise<void> {
    this.#writer.endEntry();
    await this.#send(last);
  }

  async #send(all = false): Promise<void> {
    const piece = this.#writer.take(all);
    if (piece !== null) await this.#options.write(piece);
  }
}

/** Gives rows that come in the order of their streams to one stream after another. */
class Merge<T extends { readonly streamId: number }> {
  readonly #rows: AsyncIterator<T>;
  #next: Promise<IteratorResult<T>> | undefined;

  constructor(rows: AsyncIterable<T>) {
    this.#rows = rows[Symbol.asyncIterator]();
  }

  async *of(streamId: number): AsyncGenerator<T> {
    while (true) {
      this.#next ??= this.#rows.next();
      const { value, done } = await this.#next;
      if (done === true || value.streamId !== streamId) return;
      this.#next = undefined;
      yield value;
    }
  }
}
