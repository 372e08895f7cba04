/**
 * What one stream brings into a group commit: its waiting appends decided one after another, each
 * against the state that those before it will leave. Pure but for the bodies it parses and keeps.
 */
import { invalid } from "../../errors.ts";
import { assertInvariant } from "../../lib/invariant.ts";
import { storedBody } from "../stored_body.ts";
import type { StreamState } from "../stream_state.ts";
import { type AppendState, decide, type Decision, type ProducerState } from "./decide.ts";
import type { AppendOutcome, WaitingAppend } from "./waiting_append.ts";

/** What decisions rest on. */
export interface KnownState {
  readonly stream: StreamState | null;
  /** By producer id; null for a producer of which nothing is stored. */
  readonly producers: ReadonlyMap<string, ProducerState | null>;
  /** How many more producers the stream may have. */
  readonly producerRoom: number;
}

export interface DecidedBatch<Known extends KnownState> {
  /** Where the appends waited. */
  readonly queue: Known;
  /** The state they were decided against. */
  readonly stream: StreamState;
  /** False: nothing is written, and the answers only need that state confirmed. */
  readonly writes: boolean;
  /**
   * Whether it fits any tail of an open stream: its answers rest on nothing else that others write,
   * so it need not be decided again when they have written.
   */
  readonly unconditional: boolean;
  /** The state that the batch leaves. */
  readonly after: AppendState;
  /** The bytes to be written, in order. */
  readonly chunks: readonly Uint8Array[];
  /** What will be stored of the producers of accepted appends. */
  readonly producers: ReadonlyMap<string, ProducerState>;
  /** How many of them are new to the stream. */
  readonly newProducers: number;
  readonly answers: readonly (readonly [WaitingAppend, AppendOutcome])[];
  /** Appends ahead of their producer's sequence that are to be held for reordering. */
  readonly held: readonly WaitingAppend[];
}

const TOO_MANY_PRODUCERS = invalid(
  "PRODUCER_LIMIT_REACHED",
  "the stream has as many producers as it may have (--max-producers-per-stream): use one that it knows",
);

/** @param queue knows its stream and every producer that the appends claim */
export function decideBatch<Known extends KnownState>(
  queue: Known,
  appends: readonly WaitingAppend[],
): DecidedBatch<Known> {
  const stream = queue.stream!;
  let after: AppendState = stream;
  let writes = false;
  let unconditional = true;
  let written = 0;
  let newProducers = 0;
  const chunks: Uint8Array[] = [];
  const producers = new Map<string, ProducerState>();
  const answers: [WaitingAppend, AppendOutcome][] = [];
  const held: WaitingAppend[] = [];

  for (const append of appends) {
    const { request } = append;
    const claim = request.producer;
    const producer = claim && (producers.get(claim.id) ?? queue.producers.get(claim.id) ?? null);
    const room = queue.producerRoom - newProducers;
    const decision = decideOne(stream, { after, append, producer, room });
    unconditional &&= isUnconditional(append, decision);
    if (decision.kind === "accept") {
      if (claim !== null && producer === null) newProducers++;
      writes = true;
      written += decision.bytes.length;
      if (decision.bytes.length > 0) chunks.push(decision.bytes);
      if (claim !== null && decision.producer !== null) producers.set(claim.id, decision.producer);
      after = {
        tail: decision.answer.tail,
        closed: decision.answer.closed,
        lastSeq: request.streamSeq ?? after.lastSeq,
      };
      answers.push([append, decision.answer]);
    } else if (decision.kind === "answer") {
      answers.push([append, decision.answer]);
    } else if (decision.refusal.kind === "sequence_gap" && append.mayBeHeld) {
      held.push(append);
    } else {
      answers.push([append, decision.refusal]);
    }
  }
  const { tail, closed, lastSeq } = after;
  assertInvariant(tail === stream.tail + written, "the tail grows by the bytes that are written");
  assertInvariant(closed || !stream.closed, "a closed stream never opens");
  return {
    queue,
    stream,
    writes,
    unconditional: writes && unconditional,
    after: { tail, closed, lastSeq },
    chunks,
    producers,
    newProducers,
    answers,
    held,
  };
}

function decideOne(
  stream: StreamState,
  { after, append, producer, room }: {
    readonly after: AppendState;
    readonly append: WaitingAppend;
    readonly producer: ProducerState | null;
    /** How many more producers the stream may have. */
    readonly room: number;
  },
): Decision {
  const { request } = append;
  const decision = decide(
    stream,
    after,
    producer,
    request,
    () => append.stored ??= storedBody(stream.contentType, request.body, false),
  );
  const isNew = request.producer !== null && producer === null && decision.kind === "accept";
  return isNew && room <= 0 ? { kind: "refuse", refusal: TOO_MANY_PRODUCERS } : decision;
}

function isUnconditional({ request }: WaitingAppend, decision: Decision): boolean {
  return decision.kind === "accept" && request.producer === null && request.streamSeq === null &&
    !request.closes;
}
