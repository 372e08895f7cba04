/**
 * Which queues go into the next commit, and when it starts. Group commit without a timer: a commit
 * starts as soon as the concurrency limit allows one, and takes along whatever waits by then; the
 * commits in flight are the clock.
 */
import { yieldToEventLoop } from "../../lib/event_loop.ts";
import { SMALL_BYTES } from "./admission.ts";
import type { StreamQueue, StreamWrite } from "./stream_queue.ts";

/** More commits at once only split the groups: measured, see docs/decisions.md. */
const MAX_CONCURRENCY = 3;
/** Body bytes in one commit, about. */
const COMMIT_BYTES = 8 << 20;
/** The same where nothing else is done meanwhile, because the database runs on this thread. */
const COMMIT_BYTES_EMBEDDED = 2 << 20;
/**
 * Streams in one commit. Each takes an advisory lock, and all sessions of a PostgreSQL with default
 * settings share room for 6,400: eight nodes with three such commits each fit.
 */
const COMMIT_STREAMS = 256;

/** One group commit. */
export interface CommitGroup {
  /** How many commits were started before this one. */
  readonly startedBefore: number;
  /** All queues that take part, those included of which all appends are held for reordering. */
  readonly queues: readonly StreamQueue[];
  /** What is to be written or confirmed, at least one, in ascending order of stream ids. */
  readonly writes: readonly StreamWrite[];
}

export interface CommitSchedulerParts {
  /** Statements that the database runs at once; see `Database.concurrency`. */
  readonly concurrency: number;
  /** Commits a group. Resolves when all its appends have been answered or enqueued; never rejects. */
  readonly commit: (group: CommitGroup) => Promise<void>;
  /** Called with a queue that was ready and is not loaded any longer. */
  readonly onUnloaded: (queue: StreamQueue) => void;
  /** Called with what a queue decided when there are appends to be held for reordering. */
  readonly onHeld: (write: StreamWrite) => void;
  /** Called with the queues of a commit that has ended. */
  readonly onReleased: (queues: readonly StreamQueue[]) => void;
}

export class CommitScheduler {
  readonly #parts: CommitSchedulerParts;
  readonly #concurrency: number;
  readonly #commitBytes: number;
  /** Ready queues with little to write, and those with much. */
  #small: StreamQueue[] = [];
  #large: StreamQueue[] = [];
  #inFlight = 0;
  /** Commits in flight with at least one queue that has much to write. */
  #largeInFlight = 0;
  #commitsStarted = 0;
  #flushScheduled = false;
  /** The last commit carried one append, and nothing waited when it ended. */
  #lowConcurrency = false;

  constructor(parts: CommitSchedulerParts) {
    this.#parts = parts;
    this.#concurrency = Math.min(MAX_CONCURRENCY, parts.concurrency);
    this.#commitBytes = parts.concurrency > 1 ? COMMIT_BYTES : COMMIT_BYTES_EMBEDDED;
  }

  /** Commits started so far. */
  get commitsStarted(): number {
    return this.#commitsStarted;
  }

  /** Takes a loaded queue into a commit to come. */
  enqueue(queue: StreamQueue): void {
    queue.enqueueForCommit();
    (queue.bytes > SMALL_BYTES ? this.#large : this.#small).push(queue);
    this.#scheduleFlush();
  }

  get #mayStart(): boolean {
    return this.#inFlight < this.#concurrency && (this.#small.length > 0 || this.#largeMayStart);
  }

  /** One commit, where there may be several, is kept for queues with little to write. */
  get #largeMayStart(): boolean {
    return this.#large.length > 0 && this.#largeInFlight < Math.max(1, this.#concurrency - 1);
  }

  /**
   * Queues with little to write go first, for those with much could fill every commit there is;
   * but they leave those half of each.
   */
  #nextReady(room: number, largeToo: boolean): StreamQueue | undefined {
    const smallFirst = room > this.#commitBytes / 2 || !largeToo || this.#large.length === 0;
    return (smallFirst ? this.#small.shift() : undefined) ??
      (largeToo ? this.#large.shift() : undefined);
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || !this.#mayStart) return;
    this.#flushScheduled = true;
    // After a turn of the event loop, requests that have arrived meanwhile go along. At low
    // concurrency none is likely to, and the turn would only delay the one append there is.
    const gathered = this.#lowConcurrency ? Promise.resolve() : yieldToEventLoop();
    void gathered.then(() => {
      this.#flushScheduled = false;
      while (this.#mayStart) this.#startCommit();
    });
  }

  #startCommit(): void {
    const queues: StreamQueue[] = [];
    const writes: StreamWrite[] = [];
    const largeToo = this.#largeMayStart;
    let large = 0;
    let room = this.#commitBytes;
    while (room > 0 && queues.length < COMMIT_STREAMS) {
      const queue = this.#nextReady(room, largeToo);
      if (queue === undefined) break;
      if (!queue.loaded) {
        this.#parts.onUnloaded(queue);
        continue;
      }
      queue.beginCommit();
      queues.push(queue);
      if (queue.bytes > SMALL_BYTES) large = 1;
      const write = queue.decideWaiting(room);
      if (write === null) continue;
      room -= write.after.tail - write.stream.tail;
      if (write.held.length > 0) this.#parts.onHeld(write);
      if (write.answers.length > 0) writes.push(write);
    }
    if (writes.length === 0) return this.#release(queues);
    writes.sort((a, b) => a.stream.id - b.stream.id);
    this.#inFlight++;
    this.#largeInFlight += large;
    const startedBefore = this.#commitsStarted++;
    void this.#parts.commit({ startedBefore, queues, writes }).finally(() => {
      this.#inFlight--;
      this.#largeInFlight -= large;
      this.#lowConcurrency = this.#concurrency > 1 && queues.length === 1 &&
        this.#inFlight === 0 && writes[0]!.answers.length === 1 &&
        queues[0]!.waiting.length === 0 && !this.#flushScheduled;
      this.#release(queues);
    });
  }

  #release(queues: readonly StreamQueue[]): void {
    for (const queue of queues) queue.release();
    this.#parts.onReleased(queues);
    this.#scheduleFlush();
  }
}
