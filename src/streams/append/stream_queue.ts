/**
 * The appends of one stream that wait on this node, and what is known of the stream. A queue takes
 * part in at most one commit at a time, so the state that its appends are decided against can only
 * be changed by other nodes, which the commit finds out.
 *
 *              enqueueForCommit            beginCommit
 *        ┌──────────────────────> ready ─────────────────> committing
 *        │                          │                           │
 *      idle <───────────────────────│───────────────────────────┤ release
 *        │                          │ enqueueForLoad            │
 *        │     enqueueForLoad       v             beginLoad     │
 *        └──────────────────> awaiting_load ──────────────> loading
 *
 * - `idle`: nothing of the queue is in progress. Appends may be held for reordering.
 * - `awaiting_load`: appends wait, and something they rest on is not known: the stream's state, or
 *   the state of a producer they claim. The queue waits for the next load.
 * - `loading`: a load of it is in progress.
 * - `ready`: appends wait, and all they rest on was known when the queue was enqueued for a commit.
 *   What is known may be invalidated while it waits, or an append of another producer may arrive:
 *   it is enqueued for a load then.
 * - `committing`: appends taken from it are in a commit in flight; others may wait in it.
 *
 * A load or a commit ends with `release`, whatever became of it; the appender enqueues the queue
 * again when appends wait in it.
 */
import { REMEMBERED } from "../../limits.ts";
import { assertInvariant, InvariantViolation } from "../../lib/invariant.ts";
import type { LruLinks } from "../../lib/lru_list.ts";
import type { StreamState } from "../stream_state.ts";
import type { ProducerState } from "./decide.ts";
import { decideBatch, type DecidedBatch } from "./decide_batch.ts";
import { sortByProducer, type WaitingAppend } from "./waiting_append.ts";

export type QueueState = "idle" | "awaiting_load" | "loading" | "ready" | "committing";

/** What one queue brings into a group commit. */
export type StreamWrite = DecidedBatch<StreamQueue>;

/** How many more producers a stream may have, and when they were counted, as `performance.now()`. */
interface ProducerRoom {
  left: number;
  readonly countedAt: number;
}

const NO_PRODUCERS: ReadonlyMap<string, null> = new Map();

export class StreamQueue implements LruLinks<StreamQueue> {
  /** Appends to be decided, in the order they will be decided in. */
  waiting: WaitingAppend[] = [];
  /** Appends ahead of their producer's sequence; see `Reordering`. */
  held: WaitingAppend[] = [];
  /** Body bytes of its appends that are not answered yet. */
  bytes = 0;
  #state: QueueState = "idle";
  #stream: StreamState | null = null;
  #producers: Map<string, ProducerState | null> | null = null;
  #producerRoom: ProducerRoom | null = null;

  /** See `LruList`. */
  older: StreamQueue | null = null;
  newer: StreamQueue | null = null;

  constructor(readonly path: string) {}

  get state(): QueueState {
    return this.#state;
  }

  enqueueForLoad(): void {
    this.#transition("awaiting_load", this.#state === "idle" || this.#state === "ready");
  }

  beginLoad(): void {
    this.#transition("loading", this.#state === "awaiting_load");
  }

  enqueueForCommit(): void {
    this.#transition("ready", this.#state === "idle");
  }

  beginCommit(): void {
    this.#transition("committing", this.#state === "ready");
  }

  /** The load or the commit has ended. */
  release(): void {
    this.#transition("idle", this.#state === "loading" || this.#state === "committing");
  }

  #transition(to: QueueState, allowed: boolean): void {
    if (!allowed) throw new InvariantViolation(`a queue goes from ${this.#state} to ${to}`);
    this.#state = to;
  }

  /** Whether nothing would be lost with this queue but what can be loaded again. */
  get evictable(): boolean {
    return this.#state === "idle" && this.waiting.length === 0 && this.held.length === 0;
  }

  /** The stream's state, null when it is not known. */
  get stream(): StreamState | null {
    return this.#stream;
  }

  /** The producers that are known, null for one of which nothing is stored. */
  get producers(): ReadonlyMap<string, ProducerState | null> {
    return this.#producers ?? NO_PRODUCERS;
  }

  /** Whether all that waiting appends rest on is known: the stream, and the producers they claim. */
  get loaded(): boolean {
    return this.#stream !== null &&
      this.waiting.every(({ request: { producer } }) =>
        producer === null || this.producers.has(producer.id)
      );
  }

  /** The producers that waiting appends claim and that are not known. */
  unknownProducers(): string[] {
    const unknown = new Set<string>();
    for (const { request: { producer } } of this.waiting) {
      if (producer !== null && !this.producers.has(producer.id)) unknown.add(producer.id);
    }
    return [...unknown];
  }

  /** Sets the stream's state to one that was not decided here: its producers are not known. */
  setStream(stream: StreamState): void {
    if (stream.id !== this.#stream?.id) this.#producerRoom = null;
    this.#stream = stream;
    this.#producers = null;
  }

  /** @param producer as it is stored, null when nothing is */
  setProducer(id: string, producer: ProducerState | null): void {
    // Most streams have no producers, and an empty Map is a fourth of what a queue takes.
    this.#producers ??= new Map();
    this.#producers.set(id, producer);
  }

  /** How many more producers the stream may have; Infinity where they are not counted. */
  get producerRoom(): number {
    return this.#producerRoom?.left ?? Infinity;
  }

  /** Whether the producers are to be counted, since they were not or it is long ago. */
  needsProducerCount(now: number, validMs: number): boolean {
    return this.#producerRoom === null || now - this.#producerRoom.countedAt >= validMs;
  }

  /** Other nodes may take some of the room, and what expires adds to it: it is counted again. */
  setProducerRoom(left: number, countedAt: number): void {
    this.#producerRoom = { left, countedAt };
  }

  /** Nothing is known any longer: the next append loads it. */
  invalidate(): void {
    this.#stream = null;
    this.#producers = null;
    this.#producerRoom = null;
  }

  /** Sets what is known to what a commit has written, at the position it was decided for. */
  applyCommitted(write: StreamWrite): void {
    if (this.#producerRoom !== null) this.#producerRoom.left -= write.newProducers;
    if (this.producerRoom <= 0) this.#dropRefused(write);
    if (!write.writes) return;
    const { stream, after } = write;
    assertInvariant(after.tail >= stream.tail, "a tail never falls");
    assertInvariant(after.closed || !stream.closed, "a closed stream never opens");
    this.#stream = { ...stream, ...after };
    if (this.producers.size > REMEMBERED.producersPerStream) this.#producers = null;
    for (const [id, producer] of write.producers) this.setProducer(id, producer);
  }

  /** Nothing is kept of producers that were turned away: their next append finds whether there is room. */
  #dropRefused({ answers, producers }: StreamWrite): void {
    for (const [{ request: { producer } }] of answers) {
      if (producer === null || producers.has(producer.id)) continue;
      if (this.#producers?.get(producer.id) === null) this.#producers.delete(producer.id);
    }
  }

  /**
   * Decides the waiting appends in order, as many as `room` bytes hold, but one at least. The queue
   * must be loaded. When a defect keeps them from being decided they fail, and null is returned.
   */
  decideWaiting(room: number): StreamWrite | null {
    const taken = this.#takeWaiting(room);
    try {
      sortByProducer(taken);
      return decideBatch(this, taken);
    } catch (error) {
      this.invalidate();
      for (const append of taken) append.reject(error);
      return null;
    }
  }

  #takeWaiting(room: number): WaitingAppend[] {
    let count = 0;
    for (let bytes = 0; count < this.waiting.length; count++) {
      bytes += this.waiting[count]!.request.body.length;
      if (count > 0 && bytes > room) break;
    }
    return this.waiting.splice(0, count);
  }
}
