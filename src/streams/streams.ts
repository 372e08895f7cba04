/** The streams of one database, as one node serves them: the interface that `http` uses. */
import { type Refusal, Refused } from "../errors.ts";
import { BaseService, startAll, stopAll } from "../lib/service.ts";
import { type BufferedBytes, CACHED_BYTES, divideBufferedBytes, WAITING } from "../limits.ts";
import type { Database } from "../storage/database.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { Catalog } from "./catalog/catalog.ts";
import { Hub } from "./follow/hub.ts";
import { NodeNotifier } from "./follow/node_notifier.ts";
import { Appender } from "./append/appender.ts";
import {
  type CreateOutcome,
  type CreateRequest,
  Creator,
  type ForkRequest,
} from "./lifecycle/create.ts";
import { CreationAdmission } from "./lifecycle/creation_admission.ts";
import type { ProducerLimit } from "./append/queue_loader.ts";
import type { AppendRequest } from "./append/decide.ts";
import { StreamMonitor } from "./follow/stream_monitor.ts";
import { Follower } from "./follow/follower.ts";
import { deleteStream } from "./lifecycle/delete.ts";
import { createFork } from "./lifecycle/fork.ts";
import { StateLoader } from "./state_loader.ts";
import { type BackwardRange, readBackwards } from "./read/backwards.ts";
import { type Page, PageReader } from "./read/page_reader.ts";
import { SegmentCache } from "./read/segment_cache.ts";
import type { AppendOutcome } from "./append/waiting_append.ts";
import { type StreamState, trimmed, unusable } from "./stream_state.ts";
import type { OffsetRequest } from "../protocol/offset.ts";
import type { Retention } from "../protocol/retention.ts";
import { retentionOf, type RetentionRule } from "./retention/rules.ts";
import { type Cut, trimStream } from "./retention/trim.ts";
import { Sweeper } from "./lifecycle/sweeper.ts";

export interface StreamsOptions {
  /** How many bytes of segments to cache. */
  readonly cachedBytes: number;
  /** How many bytes of request bodies may wait for the database. */
  readonly buffered: Pick<BufferedBytes, "appends" | "creations">;
  /** What streams keep that were created without a retention of their own. */
  readonly retention: readonly RetentionRule[];
  /** Producers of one stream; null: any number. */
  readonly maxProducersPerStream: number | null;
  /** Milliseconds after which a producer that has not appended expires; null: never. */
  readonly producerIdleExpiryMs: number | null;
}

/** For how long a count of a stream's producers is good, at most. Milliseconds. */
const PRODUCERS_COUNTED_MS = 60_000;

const DEFAULTS: StreamsOptions = {
  cachedBytes: CACHED_BYTES.segments,
  buffered: divideBufferedBytes(512 << 20),
  retention: [],
  maxProducersPerStream: null,
  producerIdleExpiryMs: null,
};

export class Streams extends BaseService {
  readonly #database: Database;
  readonly #stateLoader: StateLoader;
  readonly #hub = new Hub();
  readonly #nodeNotifier: NodeNotifier;
  readonly #segmentCache: SegmentCache;
  readonly #pageReader: PageReader;
  readonly #streamMonitor: StreamMonitor;
  readonly #appender: Appender;
  readonly #creations: CreationAdmission;
  readonly #creator: Creator;
  readonly #sweeper: Sweeper;
  readonly #retentionRules: readonly RetentionRule[];
  /** What there is. */
  readonly catalog: Catalog;
  #cacheEpoch = 0;
  #onWritten: (ids: readonly number[]) => void = () => {};

  constructor(database: Database, telemetry: Telemetry, given: Partial<StreamsOptions> = {}) {
    super();
    const options = { ...DEFAULTS, ...given };
    this.#database = database;
    this.#retentionRules = options.retention;
    this.#stateLoader = new StateLoader(database);
    this.catalog = new Catalog({
      database,
      rules: options.retention,
      followers: (id) => this.#hub.watch(id)?.followers ?? 0,
    });
    this.#nodeNotifier = new NodeNotifier(database, {
      onNotification: (ids, changedAt) => this.#streamMonitor.onNotification(ids, changedAt),
      onGap: () => this.#streamMonitor.reconcileAll(),
    });
    this.#segmentCache = new SegmentCache(options.cachedBytes);
    this.#pageReader = new PageReader(database, this.#segmentCache);
    this.#streamMonitor = new StreamMonitor(this.#hub, this.#stateLoader);
    this.#appender = new Appender({
      database,
      stateLoader: this.#stateLoader,
      hub: this.#hub,
      nodeNotifier: this.#nodeNotifier,
      segmentCache: this.#segmentCache,
      producerLimit: producerLimitOf(options),
      waitingBytes: options.buffered.appends,
      onWritten: (ids) => {
        this.#sweeper.noteWrites();
        this.#onWritten(ids);
      },
    });
    this.#creations = new CreationAdmission({
      maxCreations: WAITING.creations,
      maxBytes: options.buffered.creations,
    });
    this.#creator = new Creator(database, this.#creations);
    this.#sweeper = new Sweeper(
      { database, rules: options.retention, onTrimmed: (cuts) => this.#trimmed(cuts) },
      telemetry,
      {
        onEnded: (ids) => this.#ended(ids),
        producerIdleExpiryMs: options.producerIdleExpiryMs,
      },
    );
  }

  protected override async onStart(): Promise<void> {
    this.#database.onNewTimeline(() => {
      this.#invalidateCaches();
      this.#streamMonitor.reconcileAll();
    });
    // The monitor first: it drops notifications while it is stopped.
    await startAll([this.#streamMonitor, this.#nodeNotifier, this.#sweeper]);
  }

  /** Sets the listener for writes of this node: it gets the ids of streams created or written. */
  listenToWrites(listener: (ids: readonly number[]) => void): void {
    this.#onWritten = listener;
  }

  /**
   * Grows when the database may have lost commits. A position of an earlier epoch may have other
   * bytes now, so responses cached in one epoch are not valid in the next.
   */
  get cacheEpoch(): number {
    return this.#cacheEpoch;
  }

  /** How many followers are waiting now. */
  get followers(): number {
    return this.#hub.followers;
  }

  /** Ends every follower's wait, because the node is draining. */
  drain(): void {
    this.#hub.drain();
  }

  /** Must be called only when no request is in progress. */
  protected override async onStop(): Promise<void> {
    await stopAll([this.#nodeNotifier, this.#streamMonitor, this.#sweeper]);
  }

  async create(request: CreateRequest): Promise<CreateOutcome> {
    const outcome = await this.#create(request);
    if (outcome.kind === "created") this.#onWritten([outcome.stream.id]);
    return outcome;
  }

  #create(request: CreateRequest): Promise<CreateOutcome> {
    if (request.fork === null) return this.#creator.create(request);
    const fork: CreateRequest & { fork: ForkRequest } = { ...request, fork: request.fork };
    return createFork({
      database: this.#database,
      stateLoader: this.#stateLoader,
      reader: { page: (...request) => this.#readPage(...request) },
      admission: this.#creations,
    }, fork);
  }

  append(path: string, request: AppendRequest): Promise<AppendOutcome> {
    return this.#appender.append(path, request);
  }

  /** HEAD: the stream's state. This is not a read, so the TTL is not renewed. */
  async inspect(path: string): Promise<StreamState> {
    return usable(await this.#stateLoader.load(path));
  }

  /**
   * The stream's state for a read, which renews the TTL.
   * @throws Refused `not_found` or `gone`
   */
  async open(path: string): Promise<StreamState> {
    return usable(await this.#stateLoader.loadForRead(path));
  }

  /**
   * The page of an opened stream that begins at `start`; see `PageReader.page`.
   * @throws Refused `trimmed` when `start` lies before the earliest position
   */
  page(stream: StreamState, start: number, limit: number): Promise<Page> {
    return this.#readPage(stream, start, stream, limit);
  }

  /** The page of an opened stream that ends before a position; see `readBackwards`. */
  async pageBefore(stream: StreamState, range: BackwardRange): Promise<Page> {
    const read = (start: number, stop: number) => this.#pageReader.bytes(stream, start, stop);
    try {
      return await readBackwards(stream, range, read);
    } catch (error) {
      throw await this.#trimmedMeanwhile(error, stream, range.lowest);
    }
  }

  /** The longest page there is, except for a larger JSON message. Bytes. */
  get maxPageBytes(): number {
    return this.#pageReader.maxPageBytes;
  }

  /** Follows an opened stream. The caller must `unsubscribe`. */
  follow(stream: StreamState, pageBytes = this.maxPageBytes): Follower {
    return new Follower(
      {
        hub: this.#hub,
        monitor: this.#streamMonitor,
        reader: this.#pageReader,
        readPage: (...request) => this.#readPage(...request),
      },
      stream,
      pageBytes,
    );
  }

  /** DELETE: null when the stream has been deleted, or soft-deleted where forks still read it. */
  delete(path: string): Promise<Refusal | null> {
    return deleteStream({
      database: this.#database,
      stateLoader: this.#stateLoader,
      onEnded: (ids) => this.#ended(ids),
    }, path);
  }

  /**
   * Drops what lies before an offset.
   * @returns the stream with its earliest position as it is now
   * @throws Refused
   */
  trim(path: string, before: OffsetRequest): Promise<StreamState> {
    return trimStream(
      {
        database: this.#database,
        stateLoader: this.#stateLoader,
        reader: { page: (...request) => this.#readPage(...request) },
        onTrimmed: (cuts) => this.#trimmed(cuts),
      },
      path,
      before,
    );
  }

  /** What a stream is to keep: by its own retention, or by this server's rules. Null: everything. */
  retentionOf(stream: Pick<StreamState, "path" | "retention">): Retention | null {
    return retentionOf(this.#retentionRules, stream);
  }

  async #readPage(...request: Parameters<PageReader["page"]>): Promise<Page> {
    const [stream, start] = request;
    if (start < stream.earliest) throw trimmed(stream);
    try {
      return await this.#pageReader.page(...request);
    } catch (error) {
      throw await this.#trimmedMeanwhile(error, stream, start);
    }
  }

  /** The error of a read that began at `start`, or the one that says that the stream was trimmed. */
  async #trimmedMeanwhile(error: unknown, stream: StreamState, start: number): Promise<unknown> {
    if (!(error instanceof Refused) || error.refusal.kind !== "not_found") return error;
    // Bytes that the state spoke of are not there: they were dropped, or the stream was deleted.
    const now = await this.#stateLoader.load(stream.path);
    const isSame = now?.id === stream.id && unusable(now) === null;
    return isSame && start < now.earliest ? trimmed(now) : error;
  }

  /**
   * Called when a standby that may lack commits was promoted. Versions, tails and positions that
   * this node has cached may be given to other appends there.
   */
  #invalidateCaches(): void {
    this.#cacheEpoch++;
    this.#appender.invalidateStates();
    this.#pageReader.invalidate();
    this.#stateLoader.invalidate();
    this.catalog.invalidate();
    this.#hub.invalidate();
  }

  /** Notifies the followers of streams that were trimmed, here and on other nodes. */
  #trimmed(cuts: readonly Cut[]): void {
    for (const { id, earliest } of cuts) {
      this.#hub.publish(id, { tail: 0, closed: false, ended: false, earliest });
      this.#nodeNotifier.notify(id);
    }
  }

  /** Notifies the followers of streams that were deleted or expired, here and on other nodes. */
  #ended(ids: readonly number[]): void {
    for (const id of ids) {
      this.#hub.publish(id, { tail: 0, closed: false, ended: true });
      this.#nodeNotifier.notify(id);
    }
  }
}

function producerLimitOf(options: StreamsOptions): ProducerLimit | null {
  const { maxProducersPerStream: perStream, producerIdleExpiryMs: expiry } = options;
  if (perStream === null) return null;
  // What has expired makes room, which is to be found about as soon.
  return { perStream, countedMs: Math.min(PRODUCERS_COUNTED_MS, expiry ?? Infinity) };
}

function usable(stream: StreamState | null): StreamState {
  const refusal = unusable(stream);
  if (refusal !== null) throw new Refused(refusal);
  return stream!;
}
