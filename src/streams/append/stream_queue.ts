/**
 * The appends of one stream that wait on this node, and what is known of the stream. A queue takes
 * part in at most one commit at a time, so what it decided against can only be changed by others.
 */
import type { Refusal } from "../../errors.ts";
import {
  type Appended,
  type AppendRequest,
  type AppendState,
  decide,
  type ProducerState,
} from "./decide.ts";
import { type StoredBody, storedBody } from "../stored_body.ts";
import type { StreamState } from "../stream_state.ts";
import type { LruLinks } from "../../lib/lru_list.ts";

export type AppendOutcome = Appended | Refusal;

/** One append that waits for its commit. */
export interface WaitingAppend {
  readonly request: AppendRequest;
  /** How many commits had left when it came. */
  readonly came: number;
  /** Parsed once, however often it is decided. */
  stored?: StoredBody;
  /** Whether it may still wait for the sequence numbers before its own. */
  mayPark: boolean;
  resolve(outcome: AppendOutcome): void;
  reject(error: unknown): void;
}

/** What one queue brings into a group commit. */
export interface StreamWrite {
  readonly queue: StreamQueue;
  readonly stream: StreamState;
  /** False: nothing to write, its answers only need the version confirmed. */
  readonly writes: boolean;
  /** It fits any tail of a stream that is open: nothing it answers rests on what else was written. */
  readonly floats: boolean;
  readonly after: AppendState;
  readonly chunks: readonly Uint8Array[];
  readonly producers: ReadonlyMap<string, ProducerState>;
  readonly answers: readonly (readonly [WaitingAppend, AppendOutcome])[];
  /** Gaps: decided again when more of their producer arrives, or when their patience ends. */
  readonly parked: readonly WaitingAppend[];
}

/** A stream with more producers than this forgets them all and asks the database again. */
const MOST_PRODUCERS = 20_000;

const NONE: ReadonlyMap<string, null> = new Map();

export class StreamQueue implements LruLinks<StreamQueue> {
  waiting: WaitingAppend[] = [];
  parked: WaitingAppend[] = [];
  /** Body bytes of its appends that are not answered yet. */
  bytes = 0;
  /** In a load or a commit. */
  busy = false;
  /** In the appender's list of queues that may leave. */
  listed = false;
  stream: StreamState | null = null;
  #producers: Map<string, ProducerState | null> | null = null;

  /** See `LruList`. */
  older: StreamQueue | null = null;
  newer: StreamQueue | null = null;

  constructor(readonly path: string) {}

  get idle(): boolean {
    return !this.busy && !this.listed && this.waiting.length === 0 && this.parked.length === 0;
  }

  /** Known producers; null: known to have none stored. */
  get producers(): ReadonlyMap<string, ProducerState | null> {
    return this.#producers ?? NONE;
  }

  /** Whether what waiting requests rest on is known: the stream, and the producers they claim. */
  get loaded(): boolean {
    return this.stream !== null &&
      this.waiting.every(({ request: { producer } }) =>
        producer === null || this.producers.has(producer.id)
      );
  }

  /** Producers that waiting requests claim and nobody has loaded. */
  unknownProducers(): string[] {
    const unknown = new Set<string>();
    for (const { request: { producer } } of this.waiting) {
      if (producer !== null && !this.producers.has(producer.id)) unknown.add(producer.id);
    }
    return [...unknown];
  }

  /** @param producer as it is stored, null when there is none */
  know(id: string, producer: ProducerState | null): void {
    // Most streams have no producers, and a Map of nothing is a fourth of what a queue takes.
    this.#producers ??= new Map();
    this.#producers.set(id, producer);
  }

  /** What was decided rests on something that is no longer so. */
  forget(stream: StreamState | null): void {
    this.stream = stream;
    this.#producers = null;
  }

  /** A commit took place: what it wrote is what is known. */
  committed(write: StreamWrite): void {
    if (!write.writes) return;
    this.stream = { ...write.stream, ...write.after, version: write.stream.version + 1 };
    if (this.producers.size > MOST_PRODUCERS) this.#producers = null;
    for (const [id, producer] of write.producers) this.know(id, producer);
  }

  /** A commit took place, behind what others have written: producers' appends perhaps. */
  moved(stream: StreamState): void {
    this.forget(stream);
  }

  /**
   * Decides the waiting requests in order, as many as `room` bytes hold (one at least).
   * The queue must know its stream and every producer claimed.
   */
  decideWaiting(room: number): StreamWrite {
    const stream = this.stream!;
    const taken = this.#take(room);
    let after: AppendState = stream;
    let writes = false;
    let floats = true;
    const chunks: Uint8Array[] = [];
    const producers = new Map<string, ProducerState>();
    const answers: [WaitingAppend, AppendOutcome][] = [];
    const parked: WaitingAppend[] = [];

    for (const append of taken) {
      const { request } = append;
      const claim = request.producer;
      const producer = claim && (producers.get(claim.id) ?? this.producers.get(claim.id) ?? null);
      const decision = decide(
        stream,
        after,
        producer,
        request,
        () => append.stored ??= storedBody(stream.contentType, request.body, false),
      );
      floats &&= decision.kind === "accept" && claim === null && request.streamSeq === null &&
        !request.closes;
      if (decision.kind === "accept") {
        writes = true;
        if (decision.bytes.length > 0) chunks.push(decision.bytes);
        if (claim !== null && decision.producer !== null) {
          producers.set(claim.id, decision.producer);
        }
        after = {
          tail: decision.answer.tail,
          closed: decision.answer.closed,
          lastSeq: request.streamSeq ?? after.lastSeq,
        };
        answers.push([append, decision.answer]);
      } else if (decision.kind === "answer") {
        answers.push([append, decision.answer]);
      } else if (decision.refusal.kind === "sequence_gap" && append.mayPark) {
        parked.push(append);
      } else {
        answers.push([append, decision.refusal]);
      }
    }
    const { tail, closed, lastSeq } = after;
    return {
      queue: this,
      stream,
      writes,
      floats: writes && floats,
      after: { tail, closed, lastSeq },
      chunks,
      producers,
      answers,
      parked,
    };
  }

  /** Requests go in the order they came, but a producer's own among themselves by its sequence. */
  #take(room: number): WaitingAppend[] {
    let count = 0;
    for (let bytes = 0; count < this.waiting.length; count++) {
      bytes += this.waiting[count]!.request.body.length;
      if (count > 0 && bytes > room) break;
    }
    const taken = this.waiting.splice(0, count);
    const slots = new Map<string, number[]>();
    taken.forEach(({ request: { producer } }, slot) => {
      if (producer === null) return;
      const own = slots.get(producer.id);
      if (own === undefined) slots.set(producer.id, [slot]);
      else own.push(slot);
    });
    for (const own of slots.values()) {
      if (own.length === 1) continue;
      const ordered = own.map((slot) => taken[slot]!).sort((a, b) =>
        a.request.producer!.epoch - b.request.producer!.epoch ||
        a.request.producer!.seq - b.request.producer!.seq
      );
      own.forEach((slot, at) => taken[slot] = ordered[at]!);
    }
    return taken;
  }
}
