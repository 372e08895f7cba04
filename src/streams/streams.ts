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
import { type StreamState, unusable } from "./stream_state.ts";
import { Sweeper } from "./lifecycle/sweeper.ts";

export interface StreamsOptions {
  /** How many bytes of segments to cache. */
  readonly cachedBytes: number;
  /** How many bytes of request bodies may wait for the database. */
  readonly buffered: Pick<BufferedBytes, "appends" | "creations">;
}

const DEFAULTS: StreamsOptions = {
  cachedBytes: CACHED_BYTES.segments,
  buffered: divideBufferedBytes(512 << 20),
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
  /** What there is. */
  readonly catalog: Catalog;
  #cacheEpoch = 0;
  #onWritten: (ids: readonly number[]) => void = () => {};

  constructor(database: Database, telemetry: Telemetry, given: Partial<StreamsOptions> = {}) {
    super();
    const options = { ...DEFAULTS, ...given };
    this.#database = database;
    this.#stateLoader = new StateLoader(database);
    this.catalog = new Catalog(database);
    this.#nodeNotifier = new NodeNotifier(database, {
      onNotification: (ids) => this.#streamMonitor.onNotification(ids),
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
    this.#sweeper = new Sweeper(database, telemetry, (ids) => this.#ended(ids));
  }

  protected override async onStart(): Promise<void> {
    this.#database.onNewTimeline(() => this.#invalidateCaches());
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
      reader: this.#pageReader,
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

  /** The page of an opened stream that begins at `start`; see `PageReader.page`. */
  page(stream: StreamState, start: number, limit: number): Promise<Page> {
    return this.#pageReader.page(stream, start, stream, limit);
  }

  /** The page of an opened stream that ends before a position; see `readBackwards`. */
  pageBefore(stream: StreamState, range: BackwardRange): Promise<Page> {
    return readBackwards(
      stream,
      range,
      (start, stop) => this.#pageReader.bytes(stream, start, stop),
    );
  }

  /** The longest page there is, except for a larger JSON message. Bytes. */
  get maxPageBytes(): number {
    return this.#pageReader.maxPageBytes;
  }

  /** Follows an opened stream. The caller must `unsubscribe`. */
  follow(stream: StreamState, pageBytes = this.maxPageBytes): Follower {
    return new Follower(
      { hub: this.#hub, monitor: this.#streamMonitor, reader: this.#pageReader },
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

  /** Notifies the followers of streams that were deleted or expired, here and on other nodes. */
  #ended(ids: readonly number[]): void {
    for (const id of ids) {
      this.#hub.publish(id, { tail: 0, closed: false, ended: true });
      this.#nodeNotifier.notify(id);
    }
  }
}

function usable(stream: StreamState | null): StreamState {
  const refusal = unusable(stream);
  if (refusal !== null) throw new Refused(refusal);
  return stream!;
}
