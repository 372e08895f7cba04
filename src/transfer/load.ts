/** Loads a dump into a database: streams become visible whole, in the order of the dump. */
import type { Database } from "../storage/database.ts";
import { type DumpHeader, type DumpRecord, DumpRefused, type Row } from "./dump_format.ts";
import { readDump } from "./dump_reader.ts";
import { LoadRefused, type LoadReport, LoadStopped } from "./load_refusals.ts";
import { carriedColumns } from "./stored_rows.ts";
import { checkColumns, type FinishedStream, type LoadedSegment, LoadTarget } from "./target.ts";

export interface LoadOptions {
  /** What to do with a stream of the dump at whose path there is another. Null: there must be none. */
  readonly onExisting: "replace" | "skip" | null;
  /** Go on with a load of the same dump that was interrupted. */
  readonly resume: boolean;
  /** Told after each stream. */
  onStream?(bytes: number): void;
}

/** Rows wait until there are so many bytes of segments, or so many streams. */
const BATCH_BYTES = 4 << 20;
const BATCH_STREAMS = 500;
const BATCH_ROWS = 5000;

/**
 * @param pieces the dump, not compressed
 * @throws LoadStopped with what was loaded until then, when the dump or the database says no
 */
export async function loadDump(
  database: Database,
  pieces: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<LoadReport> {
  const load = new Load(database, options);
  try {
    for await (const record of readDump(pieces)) await load.take(record);
    await load.end();
    return load.report;
  } catch (error) {
    await load.abandon().catch(() => {});
    throw new LoadStopped(error, load.report);
  }
}

/** The stream whose entry is being read. */
interface OpenStream {
  readonly row: FinishedStream["row"];
  /** Its rows are passed over. */
  readonly passedOver: "skipped" | "unchanged" | "loaded_before" | null;
  readonly replaces: number | null;
  bytes: number;
  /** Where its bytes end so far, which is checked against those of the database. */
  stop: number;
  closed: boolean;
}

/** The subscription whose entry is being read. */
interface OpenSubscription {
  readonly row: Row;
  /** Null: it is left out. */
  readonly id: number | null;
  /** Those that are not in the database yet. */
  links: Row[];
}

type SecretKind = "key" | "access_token" | "url_key";

class Load {
  readonly #database: Database;
  readonly #options: LoadOptions;
  #target: LoadTarget | null = null;
  #header: DumpHeader | null = null;
  /** The entry after which this load goes on, of one that was interrupted. */
  #resumed = { entry: -1, checksum: "" };
  #occupied = false;
  #open: OpenStream | null = null;
  #present: { readonly tail: number; readonly closed: boolean } | null = null;
  #subscription: OpenSubscription | null = null;
  #secret: { readonly kind: SecretKind; readonly row: Row } | null = null;
  #segments: LoadedSegment[] = [];
  #segmentBytes = 0;
  #producers: Row[] = [];
  #finished: (FinishedStream & { readonly bytes: number })[] = [];
  #progress = { entry: -1, checksum: "", streamId: 0 };
  /** The last stream of those that are visible by now. */
  #visible = 0;
  /** Streams could not be made visible: those that follow them must not be. */
  #failed = false;
  #counts = { loaded: 0, bytes: 0, replaced: 0, skipped: 0, unchanged: 0, subscriptions: 0 };
  #lastPath: string | null = null;

  constructor(database: Database, options: LoadOptions) {
    this.#database = database;
    this.#options = options;
  }

  get report(): LoadReport {
    return { ...this.#counts, lastPath: this.#lastPath };
  }

  async take(record: DumpRecord): Promise<void> {
    switch (record.kind) {
      case "header":
        this.#header = record.header;
        return;
      case "stream":
        return await this.#begin(record.row);
      case "producer": {
        const { row, passedOver } = this.#open!;
        if (passedOver !== null) return;
        this.#producers.push({ ...record.row, stream_id: row.id });
        if (this.#producers.length >= BATCH_ROWS) await this.#flushProducers();
        return;
      }
      case "segment":
        return await this.#segment(record);
      case "subscription":
        return await this.#beginSubscription(record.row);
      case "link": {
        const { links, id } = this.#subscription!;
        if (id !== null) links.push(record.row);
        if (links.length >= BATCH_ROWS) await this.#flushLinks();
        return;
      }
      case "key":
      case "access_token":
      case "url_key":
        this.#secret = record;
        return;
      case "end":
        return;
      case "checksum":
        return await this.#endEntry(record);
    }
  }

  async end(): Promise<void> {
    await this.#flush();
    await this.#target!.end();
  }

  /** Keeps what is whole, and removes what is not. */
  async abandon(): Promise<void> {
    if (this.#target === null || this.#progress.entry < 0) return;
    if (!this.#failed) await this.#flush();
    await this.#target.removeUnfinished(this.#visible, this.#header!.last_stream_id);
    const subscription = this.#subscription?.id ?? null;
    if (subscription !== null) await this.#target.removeLinks(subscription);
  }

  async #start(header: DumpHeader, entry: number, checksum: string): Promise<void> {
    checkColumns(header.columns, await carriedColumns(this.#database));
    const target = new LoadTarget(this.#database, header);
    const { onExisting, resume } = this.#options;
    const before = await target.progress();
    if (before !== null && !resume && onExisting === null) {
      throw new LoadRefused(
        "a load into this database was interrupted: give the same dump and --resume, or begin " +
          "again with --skip or --replace",
      );
    }
    if (before === null && resume) throw new LoadRefused("there is no load to resume");
    const { any, path } = await target.occupied(header.prefix);
    if (path !== null && !resume && onExisting === null) {
      throw new LoadRefused(
        `the database holds streams already, such as ${path}: say --skip to keep those, or ` +
          "--replace to have those of the dump in their place",
      );
    }
    this.#occupied = any;
    if (before !== null) {
      await target.removeUnfinished(before.streamId, header.last_stream_id);
      await target.removeLinks(null);
      if (resume) {
        this.#resumed = before;
        this.#occupied = onExisting !== null;
      }
    }
    await target.reserveIds(header.last_stream_id);
    this.#target = target;
    this.#visible = resume ? before!.streamId : 0;
    this.#progress = { entry, checksum, streamId: this.#visible };
  }

  async #begin(row: Row): Promise<void> {
    const { id, path } = row as FinishedStream["row"];
    const last = this.#header!.last_stream_id;
    const inOrder = Number.isSafeInteger(id) && id > 0 && id <= last && typeof path === "string";
    if (!inOrder) throw new DumpRefused("a stream of the dump has no id or path that can be");
    const stream = {
      row: row as FinishedStream["row"],
      bytes: 0,
      stop: Number(row.fork_position ?? 0),
      closed: false,
    };
    this.#present = null;
    if (this.#progress.entry + 1 <= this.#resumed.entry) {
      this.#open = { ...stream, passedOver: "loaded_before", replaces: null };
    } else {
      this.#open = { ...stream, ...await this.#decide(id, path) };
    }
  }

  async #decide(
    id: number,
    path: string,
  ): Promise<Pick<OpenStream, "passedOver" | "replaces">> {
    if (!this.#occupied) return { passedOver: null, replaces: null };
    const present = await this.#target!.present(path, id);
    const same = present.find((stream) => stream.id === id);
    const other = present.find((stream) => stream.id !== id);
    if (same !== undefined && (same.path !== path || same.state === "deleted")) {
      throw new LoadRefused(
        `the id of ${path} in the dump, ${id}, belongs to ` +
          (same.state === "deleted" ? "a stream that was deleted here" : `${same.path} here`) +
          ": load the dump into another database",
      );
    }
    if (same !== undefined) {
      this.#present = same;
      return { passedOver: "unchanged", replaces: null };
    }
    if (other === undefined) return { passedOver: null, replaces: null };
    return this.#options.onExisting === "replace"
      ? { passedOver: null, replaces: other.id }
      : { passedOver: "skipped", replaces: null };
  }

  async #segment({ row, data }: { readonly row: Row; readonly data: Uint8Array }): Promise<void> {
    const stream = this.#open!;
    const position = Number(row.position);
    if (!Number.isSafeInteger(position) || position < stream.stop) {
      throw new DumpRefused(`the segments of ${stream.row.path} do not follow one another`);
    }
    stream.bytes += data.length;
    stream.stop = position + data.length;
    stream.closed = row.closed === true;
    if (stream.passedOver !== null) return;
    if (this.#segmentBytes + data.length > BATCH_BYTES) await this.#flushSegments();
    this.#segments.push({ streamId: stream.row.id, row, data });
    this.#segmentBytes += data.length;
    if (this.#segments.length >= BATCH_ROWS) await this.#flushSegments();
  }

  async #endEntry({ entry, sha256 }: { readonly entry: number; readonly sha256: string }) {
    if (this.#target === null) await this.#start(this.#header!, entry, sha256);
    if (entry === this.#resumed.entry && sha256 !== this.#resumed.checksum) {
      throw new LoadRefused("the load that was interrupted was of another dump");
    }
    if (this.#open !== null) this.#endStream(this.#open);
    if (this.#subscription !== null) await this.#endSubscription();
    if (this.#secret !== null && entry > this.#resumed.entry) {
      const { kind, row } = this.#secret;
      if (kind === "key") await this.#target!.addKey(row);
      else if (kind === "access_token") await this.#target!.addAccessToken(row);
      else await this.#target!.addUrlKey(row);
    }
    const streamId = this.#open?.row.id ?? this.#progress.streamId;
    [this.#open, this.#subscription, this.#secret] = [null, null, null];
    this.#progress = { entry, checksum: sha256, streamId };
    if (this.#finished.length >= BATCH_STREAMS) await this.#flush();
  }

  #endStream(stream: OpenStream): void {
    const { row, bytes, passedOver, replaces } = stream;
    if (passedOver === "unchanged") {
      const { tail, closed } = this.#present!;
      if (tail !== stream.stop || closed !== stream.closed) {
        throw new LoadRefused(
          `${row.path} is here in another state of the same stream, and cannot go back to that of ` +
            "the dump: load the dump into another database",
        );
      }
      this.#counts.unchanged++;
    } else if (passedOver === "skipped") this.#counts.skipped++;
    else if (passedOver === null) this.#finished.push({ row, replaces, bytes });
    this.#options.onStream?.(bytes);
  }

  async #beginSubscription(row: Row): Promise<void> {
    const replace = this.#options.onExisting === "replace";
    const id = this.#progress.entry + 1 > this.#resumed.entry
      ? await this.#target!.subscriptionId(String(row.name), replace)
      : null;
    this.#subscription = { row, id, links: [] };
  }

  async #flushLinks(): Promise<void> {
    const subscription = this.#subscription!;
    const { id, links } = subscription;
    subscription.links = [];
    await this.#target!.addLinks(id!, links);
  }

  async #endSubscription(): Promise<void> {
    const { id, row } = this.#subscription!;
    if (id === null) return;
    await this.#flush();
    await this.#flushLinks();
    const replace = this.#options.onExisting === "replace";
    if (await this.#target!.addSubscription(id, row, replace)) this.#counts.subscriptions++;
    else await this.#target!.removeLinks(id);
  }

  async #flushSegments(): Promise<void> {
    const segments = this.#segments;
    [this.#segments, this.#segmentBytes] = [[], 0];
    await this.#target!.addSegments(segments);
  }

  async #flushProducers(): Promise<void> {
    const producers = this.#producers;
    this.#producers = [];
    await this.#target!.addProducers(producers);
  }

  /** Makes the streams whose entries have ended visible. */
  async #flush(): Promise<void> {
    if (this.#progress.entry <= this.#resumed.entry) return;
    const finished = this.#finished;
    this.#finished = [];
    this.#failed = true;
    await this.#flushSegments();
    await this.#flushProducers();
    await this.#target!.addStreams(finished, this.#progress);
    this.#failed = false;
    this.#visible = this.#progress.streamId;
    for (const { row, bytes, replaces } of finished) {
      this.#counts.loaded++;
      this.#counts.bytes += bytes;
      if (replaces !== null) this.#counts.replaced++;
      this.#lastPath = row.path;
    }
  }
}
