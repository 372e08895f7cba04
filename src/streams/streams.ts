/** The streams of one database, as one node serves them. Everything HTTP needs, and nothing of it. */
import { type Refusal, Refused } from "../errors.ts";
import { BaseService, startAll, stopAll } from "../lib/service.ts";
import { type BufferedBytes, CACHED_BYTES, divideBufferedBytes, WAITING } from "../limits.ts";
import type { Database } from "../storage/database.ts";
import type { Telemetry } from "../telemetry/events.ts";
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
import { createFork } from "./lifecycle/fork.ts";
import { StateLoader } from "./state_loader.ts";
import { type Page, PageReader } from "./read/page_reader.ts";
import { SegmentCache } from "./read/segment_cache.ts";
import type { AppendOutcome } from "./append/waiting_append.ts";
import { type StreamState, unusable } from "./stream_state.ts";
import { Sweeper } from "./lifecycle/sweeper.ts";

export interface StreamsOptions {
  /** Bytes of segments to cache. */
  readonly cachedBytes: number;
  /** Bytes of bodies that may wait for the database. */
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
  #cacheEpoch = 0;
  #onWritten: (ids: readonly number[]) => void = () => {};

  constructor(database: Database, telemetry: Telemetry, given: Partial<StreamsOptions> = {}) {
    super();
    const options = { ...DEFAULTS, ...given };
    this.#database = database;
    this.#stateLoader = new StateLoader(database);
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
    this.#database.onNewTimeline(() => this.#forget());
    // The monitor first: it drops notifications while it is stopped.
    await startAll([this.#streamMonitor, this.#nodeNotifier, this.#sweeper]);
  }

  /** Who is told which streams this node created or wrote. One listener: the subscriptions. */
  listenToWrites(listener: (ids: readonly number[]) => void): void {
    this.#onWritten = listener;
  }

  /**
   * Grows when the database may have lost what was read before: positions and bytes that were known
   * together in an earlier epoch may be others now.
   */
  get cacheEpoch(): number {
    return this.#cacheEpoch;
  }

  /** Followers waiting now. */
  get followers(): number {
    return this.#hub.followers;
  }

  /** Ends every follower's wait: the node is going away. */
  drain(): void {
    this.#hub.drain();
  }

  /** To be stopped when no request is left. */
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

  /** HEAD: the stream as it is, its TTL left alone. */
  async inspect(path: string): Promise<StreamState> {
    return usable(await this.#stateLoader.load(path));
  }

  /**
   * The stream as it is, for a read: its TTL begins again.
   * @throws Refused `not_found` or `gone`
   */
  async open(path: string): Promise<StreamState> {
    return usable(await this.#stateLoader.loadForRead(path));
  }

  /** The page of an opened stream that begins at `start`; see `PageReader.page`. */
  page(stream: StreamState, start: number, limit: number): Promise<Page> {
    return this.#pageReader.page(stream, start, stream, limit);
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

  /** DELETE: null when the stream is gone now, soft-deleted where forks read it. */
  async delete(path: string): Promise<Refusal | null> {
    const stream = await this.#stateLoader.load(path);
    const refusal = unusable(stream);
    if (refusal !== null) return refusal;
    const [row] = await this.#database.query<{ outcome: string; ended: string }>(
      "select outcome, array_to_string(terminated, ',') as ended from penstock.terminate_stream($1, false)",
      [stream!.id],
    );
    this.#ended(row?.ended ? row.ended.split(",").map(Number) : []);
    if (row?.outcome === "deleted" || row?.outcome === "soft_deleted") return null;
    return { kind: row?.outcome === "already_soft_deleted" ? "gone" : "not_found" };
  }

  /**
   * A standby that had not received all commits was promoted: versions, tails and bytes that this
   * node remembers may be given anew, to others.
   */
  #forget(): void {
    this.#cacheEpoch++;
    this.#appender.invalidateStates();
    this.#pageReader.invalidate();
    this.#hub.invalidate();
  }

  /** Streams came to their end: their followers are told, here and on the other nodes. */
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
