/** The streams of one database, as one node serves them. Everything HTTP needs, and nothing of it. */
import { type Refusal, Refused } from "../outcome.ts";
import type { Database } from "../storage/database.ts";
import type { Telemetry } from "../telemetry.ts";
import { Hub } from "../wakeups/hub.ts";
import { Wakeups } from "../wakeups/wakeups.ts";
import { Appender } from "./appender.ts";
import { type CreateOutcome, type CreateRequest, Creator, type ForkRequest } from "./create.ts";
import type { AppendRequest } from "./decide.ts";
import { FollowedStreams } from "./followed_streams.ts";
import { Follower } from "./follower.ts";
import { createFork } from "./fork.ts";
import { Looks } from "./looks.ts";
import { type Page, Reader } from "./reader.ts";
import { RecentBytes } from "./recent_bytes.ts";
import type { AppendOutcome } from "./stream_queue.ts";
import { type StreamState, unusable } from "./stream_state.ts";
import { Sweeper } from "./sweeper.ts";

export interface StreamsOptions {
  /** Bytes of streams kept in memory. */
  readonly recentBytes: number;
  /** Bytes of appends that may wait for the database. */
  readonly waitingBytes: number;
}

const DEFAULTS: StreamsOptions = { recentBytes: 64 << 20, waitingBytes: 128 << 20 };

export class Streams {
  readonly #database: Database;
  readonly #looks: Looks;
  readonly #hub = new Hub();
  readonly #wakeups: Wakeups;
  readonly #recent: RecentBytes;
  readonly #reader: Reader;
  readonly #followed: FollowedStreams;
  readonly #appender: Appender;
  readonly #creator: Creator;
  readonly #sweeper: Sweeper;
  #era = 0;
  #onWritten: (ids: readonly number[]) => void = () => {};

  constructor(database: Database, telemetry: Telemetry, given: Partial<StreamsOptions> = {}) {
    const options = { ...DEFAULTS, ...given };
    this.#database = database;
    this.#looks = new Looks(database);
    this.#wakeups = new Wakeups(database);
    this.#recent = new RecentBytes(options.recentBytes);
    this.#reader = new Reader(database, this.#recent);
    this.#followed = new FollowedStreams(this.#hub, this.#looks);
    this.#appender = new Appender({
      database,
      looks: this.#looks,
      hub: this.#hub,
      wakeups: this.#wakeups,
      recent: this.#recent,
      waitingBytes: options.waitingBytes,
      onWritten: (ids) => this.#onWritten(ids),
    });
    this.#creator = new Creator(database);
    this.#sweeper = new Sweeper(database, telemetry, (ids) => this.#ended(ids));
  }

  async start(): Promise<void> {
    this.#database.onNewTimeline(() => this.#forget());
    await this.#wakeups.start({
      onHint: (ids) => this.#followed.hint(ids),
      onGap: () => this.#followed.lookAtAll(),
    });
    this.#followed.start();
    this.#sweeper.start();
  }

  /** Who is told which streams this node created or wrote. One listener: the subscriptions. */
  listenToWrites(listener: (ids: readonly number[]) => void): void {
    this.#onWritten = listener;
  }

  /**
   * Grows when the database may have lost what was read before: positions and bytes that were known
   * together in an earlier era may be others now.
   */
  get era(): number {
    return this.#era;
  }

  /** Followers waiting now. */
  get followers(): number {
    return this.#hub.followers;
  }

  /** Ends every follower's wait: the node is going away. */
  drain(): void {
    this.#hub.drain();
  }

  /** Call when no request is left. */
  async stop(): Promise<void> {
    await this.#sweeper.stop();
    await this.#followed.stop();
    await this.#wakeups.stop();
  }

  async create(request: CreateRequest): Promise<CreateOutcome> {
    const outcome = await this.#create(request);
    if (outcome.kind === "created") this.#onWritten([outcome.stream.id]);
    return outcome;
  }

  #create(request: CreateRequest): Promise<CreateOutcome> {
    if (request.fork === null) return this.#creator.create(request);
    const fork: CreateRequest & { fork: ForkRequest } = { ...request, fork: request.fork };
    return createFork(
      { database: this.#database, looks: this.#looks, reader: this.#reader },
      fork,
    );
  }

  append(path: string, request: AppendRequest): Promise<AppendOutcome> {
    return this.#appender.append(path, request);
  }

  /** HEAD: the stream as it is, its TTL left alone. */
  async inspect(path: string): Promise<StreamState> {
    return usable(await this.#looks.look(path));
  }

  /**
   * The stream as it is, for a read: its TTL begins again.
   * @throws Refused `not_found` or `gone`
   */
  async open(path: string): Promise<StreamState> {
    return usable(await this.#looks.lookForRead(path));
  }

  /** The page of an opened stream that begins at `start`; see `Reader.page`. */
  page(stream: StreamState, start: number, limit: number): Promise<Page> {
    return this.#reader.page(stream, start, stream, limit);
  }

  /** Follows an opened stream. The caller must `leave`. */
  follow(stream: StreamState, pageBytes: number): Follower {
    return new Follower(
      { hub: this.#hub, followed: this.#followed, reader: this.#reader },
      stream,
      pageBytes,
    );
  }

  /** DELETE: null when the stream is gone now, soft-deleted where forks read it. */
  async delete(path: string): Promise<Refusal | null> {
    const stream = await this.#looks.look(path);
    const refusal = unusable(stream);
    if (refusal !== null) return refusal;
    const [row] = await this.#database.query<{ outcome: string; ended: string }>(
      "select outcome, array_to_string(ended, ',') as ended from penstock.retire($1, false)",
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
    this.#era++;
    this.#appender.forgetStates();
    this.#reader.forget();
    this.#hub.forget();
  }

  /** Streams came to their end: their followers are told, here and on the other nodes. */
  #ended(ids: readonly number[]): void {
    for (const id of ids) {
      this.#hub.publish(id, { tail: 0, closed: false, ended: true });
      this.#wakeups.notify(id);
    }
  }
}

function usable(stream: StreamState | null): StreamState {
  const refusal = unusable(stream);
  if (refusal !== null) throw new Refused(refusal);
  return stream!;
}
