/**
 * Group commit. Appends queue by stream; whatever waits when a connection is free leaves together,
 * in one statement. No timer: the commits under way are the clock.
 */
import { yieldToEventLoop } from "../../lib/event_loop.ts";
import { ByteBudget } from "../../lib/byte_budget.ts";
import { Overloaded } from "../../errors.ts";
import { type Database, StatementTimeout } from "../../storage/database.ts";
import type { Hub } from "../follow/hub.ts";
import type { NodeNotifier } from "../follow/node_notifier.ts";
import type { AppendRequest } from "./decide.ts";
import { commitAppends, type WrittenBytes } from "./committer.ts";
import type { StateLoader } from "../state_loader.ts";
import { loadProducers } from "./producers.ts";
import type { SegmentCache } from "../read/segment_cache.ts";
import { LruList } from "../../lib/lru_list.ts";
import { type AppendOutcome, StreamQueue, type StreamWrite } from "./stream_queue.ts";
import { type StreamState, unusable } from "../stream_state.ts";

/** More commits at once only split the groups: measured, see docs/decisions.md. */
const MOST_COMMITS = 3;
/** Body bytes in one commit, about. */
const COMMIT_BYTES = 8 << 20;
/** ... where nothing else is done meanwhile, because the database runs on this thread. */
const COMMIT_BYTES_ALONE = 2 << 20;
/** Appends that may wait on this node before new ones are turned away. */
const MOST_WAITING = 20_000;
/** An append up to this length is small, and so is a queue whose appends together are. Bytes. */
const SMALL_BYTES = 64 << 10;
/** The part of the budget that large appends leave to small ones, and one stream to the others. */
const LARGE_SHARE = 0.75;
const STREAM_SHARE = 0.5;
/** What is kept without being copied. Bytes. */
const LARGE_BYTES = 64 << 10;
/** Streams whose state is kept between appends. Half a kilobyte each. */
const MOST_QUEUES = 150_000;
/** How long a producer's append waits for the sequence numbers before its own. Milliseconds. */
const PARK_MS = 75;

export interface AppenderParts {
  readonly database: Database;
  readonly looks: StateLoader;
  readonly hub: Hub;
  readonly wakeups: NodeNotifier;
  readonly recent: SegmentCache;
  /** Body bytes that may wait before new appends are turned away. */
  readonly waitingBytes: number;
  /** Told the ids of the streams each commit wrote, when it is done. */
  readonly onWritten: (ids: readonly number[]) => void;
}

export class Appender {
  readonly #parts: AppenderParts;
  readonly #commitLanes: number;
  readonly #commitBytes: number;
  readonly #queues = new Map<string, StreamQueue>();
  readonly #used = new LruList<StreamQueue>();
  readonly #budget: ByteBudget;
  /** Queues that may leave: those with little to write, and the others. */
  #small: StreamQueue[] = [];
  #large: StreamQueue[] = [];
  #unloaded: StreamQueue[] = [];
  #commits = 0;
  /** Commits that have left so far. */
  #left = 0;
  #largeCommits = 0;
  #loads = 0;
  #leaving = false;
  /** The last commit carried one append, and when it ended nobody waited. */
  #sparse = false;
  #waiting = 0;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
    this.#budget = new ByteBudget(parts.waitingBytes);
    this.#commitBytes = parts.database.concurrency > 1 ? COMMIT_BYTES : COMMIT_BYTES_ALONE;
    this.#commitLanes = Math.min(MOST_COMMITS, parts.database.concurrency);
  }

  /**
   * Answers when the append, or the state its refusal rests on, is committed.
   * @throws DatabaseUnavailable when that cannot be known, Overloaded when too much waits already
   */
  append(path: string, request: AppendRequest): Promise<AppendOutcome> {
    const size = request.body.length;
    const queue = this.#queueOf(path);
    if (!this.#admit(queue, size)) {
      return Promise.reject(new Overloaded("too many appends wait for the database"));
    }
    return new Promise<AppendOutcome>((resolve, reject) => {
      const mayPark = request.producer !== null;
      queue.waiting.push({ request, came: this.#left, mayPark, resolve, reject });
      if (queue.parked.length > 0) this.#unpark(queue);
      this.#list(queue);
    }).finally(() => {
      this.#waiting--;
      this.#budget.give(size);
      queue.bytes -= size;
    });
  }

  #admit(queue: StreamQueue, size: number): boolean {
    const own = queue.bytes + size;
    const fits = this.#waiting < MOST_WAITING &&
      (queue.bytes === 0 || own <= this.#parts.waitingBytes * STREAM_SHARE) &&
      this.#budget.take(size, size > SMALL_BYTES ? LARGE_SHARE : 1);
    if (!fits) return false;
    this.#waiting++;
    queue.bytes = own;
    return true;
  }

  /** The database may have lost what the queues rest on: it is asked again. */
  invalidateStates(): void {
    for (const queue of this.#queues.values()) queue.forget(null);
  }

  #queueOf(path: string): StreamQueue {
    let queue = this.#queues.get(path);
    if (queue === undefined) {
      queue = new StreamQueue(path);
      if (this.#queues.size >= MOST_QUEUES) this.#evictIdle();
      this.#queues.set(path, queue);
    }
    this.#used.use(queue);
    return queue;
  }

  #evictIdle(): void {
    for (let queue = this.#used.oldest; queue !== null;) {
      if (this.#queues.size < MOST_QUEUES * 0.9) return;
      const { newer } = queue;
      if (queue.idle) {
        this.#queues.delete(queue.path);
        this.#used.remove(queue);
      }
      queue = newer;
    }
  }

  /** Puts a queue with something to do where it will be picked up. */
  #list(queue: StreamQueue): void {
    if (queue.busy || queue.listed || queue.waiting.length === 0) return;
    queue.listed = true;
    if (!queue.loaded) this.#unloaded.push(queue);
    else (queue.bytes > SMALL_BYTES ? this.#large : this.#small).push(queue);
    this.#leave();
  }

  get #mayCommit(): boolean {
    return this.#commits < this.#commitLanes && (this.#small.length > 0 || this.#largeMayLeave);
  }

  /** One lane, where there are several, is kept for streams with little to write. */
  get #largeMayLeave(): boolean {
    return this.#large.length > 0 &&
      this.#largeCommits < Math.max(1, this.#commitLanes - 1);
  }

  /**
   * Streams with little to write go first, for those with much could fill every commit there is;
   * but they leave them half of each.
   */
  #nextReady(room: number, largeToo: boolean): StreamQueue | undefined {
    const small = room > this.#commitBytes / 2 || !largeToo || this.#large.length === 0;
    return (small ? this.#small.shift() : undefined) ??
      (largeToo ? this.#large.shift() : undefined);
  }

  #leave(): void {
    const mayLeave = this.#mayCommit ||
      (this.#unloaded.length > 0 && this.#loads === 0);
    if (this.#leaving || !mayLeave) return;
    this.#leaving = true;
    // Nobody is likely to come along with one of those that come one by one.
    const gathered = this.#sparse ? Promise.resolve() : yieldToEventLoop();
    gathered.then(() => {
      this.#leaving = false;
      if (this.#unloaded.length > 0 && this.#loads === 0) this.#load();
      while (this.#mayCommit) this.#commit();
    });
  }

  #load(): void {
    const queues = this.#unloaded.splice(0, 1000);
    for (const queue of queues) this.#take(queue);
    this.#loads++;
    this.#loadStates(queues).catch((error) => {
      for (const queue of queues) fail(queue, error);
    }).finally(() => {
      this.#loads--;
      this.#release(queues);
    });
  }

  async #loadStates(queues: StreamQueue[]): Promise<void> {
    const unknown = queues.filter((queue) => queue.stream === null);
    // Only who waited before the look left may be told that there is no stream.
    const askers = unknown.map((queue) => queue.waiting.length);
    if (unknown.length > 0) {
      const states = await this.#parts.looks.loadAll(unknown.map((queue) => queue.path));
      unknown.forEach((queue, at) => {
        const stream = states.get(queue.path) ?? null;
        const refusal = unusable(stream);
        queue.forget(refusal === null ? stream : null);
        if (refusal === null) return;
        for (const append of queue.waiting.splice(0, askers[at])) append.resolve(refusal);
      });
    }
    const claims = queues.flatMap((queue) =>
      queue.stream === null ? [] : queue.unknownProducers().map((id) => ({ queue, id }))
    );
    if (claims.length === 0) return;
    const stored = await loadProducers(
      this.#parts.database,
      claims.map(({ queue, id }) => ({ streamId: queue.stream!.id, producerId: id })),
    );
    claims.forEach(({ queue, id }, at) => queue.know(id, stored[at]!));
  }

  #commit(): void {
    const queues: StreamQueue[] = [];
    const writes: StreamWrite[] = [];
    const largeToo = this.#largeMayLeave;
    let large = 0;
    let room = this.#commitBytes;
    while (room > 0) {
      const queue = this.#nextReady(room, largeToo);
      if (queue === undefined) break;
      queue.listed = false;
      if (!queue.loaded) {
        this.#list(queue);
        continue;
      }
      queue.busy = true;
      queues.push(queue);
      if (queue.bytes > SMALL_BYTES) large = 1;
      const write = queue.decideWaiting(room);
      room -= write.after.tail - write.stream.tail;
      if (write.parked.length > 0) this.#park(queue, write);
      if (write.answers.length > 0) writes.push(write);
    }
    if (writes.length === 0) return this.#release(queues);
    writes.sort((a, b) => a.stream.id - b.stream.id);
    this.#commits++;
    this.#largeCommits += large;
    const number = ++this.#left;
    this.#commitWrites(writes).catch((error) => {
      for (const write of writes) {
        // Whether it was written is not known: neither is the state.
        write.queue.forget(null);
        for (const [append] of write.answers) append.reject(error);
      }
      if (error instanceof StatementTimeout) this.#giveUp(queues, number, error);
    }).finally(() => {
      this.#commits--;
      this.#largeCommits -= large;
      const [only] = writes;
      this.#sparse = this.#commitLanes > 1 && queues.length === 1 && this.#commits === 0 &&
        only!.answers.length === 1 && queues[0]!.waiting.length === 0 && !this.#leaving;
      this.#release(queues);
    });
  }

  /**
   * A commit had its whole time. Who waited for its end, or for a place since before it left, has
   * waited as long: nobody waits for two.
   */
  #giveUp(behind: readonly StreamQueue[], number: number, error: StatementTimeout): void {
    for (const queue of behind) for (const append of queue.waiting.splice(0)) append.reject(error);
    for (const queue of [...this.#small, ...this.#large, ...this.#unloaded]) {
      const late = queue.waiting.filter((append) => append.came < number);
      if (late.length === 0) continue;
      queue.waiting = queue.waiting.filter((append) => append.came >= number);
      for (const append of late) append.reject(error);
    }
  }

  async #commitWrites(writes: StreamWrite[]): Promise<void> {
    const { hub, wakeups, recent, onWritten } = this.#parts;
    const changed: number[] = [];
    const { refused, moved, written } = await commitAppends(this.#parts.database, writes);
    for (const write of writes) {
      const { id } = write.stream;
      if (refused.has(id)) {
        decideAgain(write, refused.get(id) ?? null);
        continue;
      }
      const now = moved.get(id);
      if (now === undefined) write.queue.committed(write);
      else write.queue.moved(now);
      const shift = now === undefined ? 0 : now.tail - write.after.tail;
      const bytes = written.get(id);
      if (bytes !== undefined) remember(recent, id, bytes);
      if (write.writes) {
        hub.publish(id, {
          tail: write.after.tail + shift,
          closed: write.after.closed,
          ended: false,
        });
        wakeups.notify(id);
        changed.push(id);
      }
      for (const [append, outcome] of write.answers) {
        append.resolve(shift === 0 ? outcome : shifted(outcome, shift));
      }
    }
    if (changed.length > 0) onWritten(changed);
  }

  #take(queue: StreamQueue): void {
    queue.listed = false;
    queue.busy = true;
  }

  #release(queues: StreamQueue[]): void {
    for (const queue of queues) {
      queue.busy = false;
      this.#list(queue);
    }
    this.#leave();
  }

  #park(queue: StreamQueue, write: StreamWrite): void {
    queue.parked.push(...write.parked);
    setTimeout(() => {
      const late = write.parked.filter((append) => queue.parked.includes(append));
      if (late.length === 0) return;
      for (const append of late) append.mayPark = false;
      queue.parked = queue.parked.filter((append) => !late.includes(append));
      queue.waiting.push(...late);
      this.#list(queue);
    }, PARK_MS);
  }

  /** Something new has come in: perhaps what the parked ones waited for. */
  #unpark(queue: StreamQueue): void {
    queue.waiting.push(...queue.parked);
    queue.parked = [];
  }
}

/** The answer of an append that was moved. */
function shifted(outcome: AppendOutcome, shift: number): AppendOutcome {
  return outcome.kind === "appended" ? { ...outcome, tail: outcome.tail + shift } : outcome;
}

/** The stream was not as decided against: its appends go back to the front of their queue. */
function decideAgain(write: StreamWrite, now: StreamState | null): void {
  write.queue.forget(unusable(now) === null ? now : null);
  write.queue.waiting.unshift(...write.answers.map(([append]) => append));
}

function fail(queue: StreamQueue, error: unknown): void {
  queue.stream = null;
  for (const append of queue.waiting.splice(0)) append.reject(error);
}

/** A large body that had its commit to itself is kept as it is: copying it costs more than all else. */
function remember(recent: SegmentCache, id: number, { position, bytes }: WrittenBytes): void {
  const alone = bytes.length === bytes.buffer.byteLength;
  if (alone && bytes.length >= LARGE_BYTES) recent.insertWithoutCopy(id, position, bytes);
  else recent.insert(id, position, bytes);
}
