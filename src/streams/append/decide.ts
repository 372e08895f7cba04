/**
 * Decides one append against a known state of its stream. Pure: the group commit confirms that
 * state, or the append is decided again.
 */
import type { Refusal } from "../../errors.ts";
import { generationAt, offsetAt } from "../read/fork_chain.ts";
import { sameContentType } from "../stored_body.ts";
import type { StoredBody } from "../stored_body.ts";
import type { StreamState } from "../stream_state.ts";

/** `Producer-Id`, `Producer-Epoch`, `Producer-Seq` of a request (section 5.2.1). */
export interface ProducerClaim {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

/** What is stored of a producer. */
export interface ProducerState {
  readonly epoch: number;
  readonly lastSeq: number;
  /** The append of (epoch, lastSeq) is the one that closed the stream. */
  readonly closedStream: boolean;
}

export interface AppendRequest {
  /** As sent; null when absent, which only a close without a body may be. */
  readonly contentType: string | null;
  readonly body: Uint8Array;
  readonly closes: boolean;
  readonly streamSeq: string | null;
  readonly producer: ProducerClaim | null;
}

/** The part of a stream's state that appends change. */
export interface AppendState {
  readonly tail: number;
  readonly closed: boolean;
  readonly lastSeq: string | null;
}

/** An append that took place, now or (a duplicate) before. */
export interface Appended {
  readonly kind: "appended";
  readonly duplicate: boolean;
  readonly tail: number;
  /** The generation of the offset at the tail. */
  readonly generation: number;
  readonly closed: boolean;
  /** The producer's epoch and highest accepted seq. */
  readonly producer: { readonly epoch: number; readonly seq: number } | null;
}

export type Decision =
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  | { readonly kind: "answer"; readonly answer: Appended }
  | {
    readonly kind: "accept";
    readonly answer: Appended;
    readonly bytes: Uint8Array;
    readonly producer: ProducerState | null;
  };

const NOTHING = new Uint8Array(0);

/**
 * Order of checks (sections 5.2 and 5.2.1): closed, content type, body, producer, Stream-Seq.
 *
 * @param known the stream; only what never changes is read from it
 * @param now the state that earlier requests of the same batch leave
 * @param producer what is stored of the claimed producer, null when nothing is
 * @param stored computes the body as it will be stored; called only when the answer rests on it
 */
export function decide(
  known: StreamState,
  now: AppendState,
  producer: ProducerState | null,
  request: AppendRequest,
  stored: () => StoredBody,
): Decision {
  const { producer: claim } = request;
  const closeOnly = request.closes && request.body.length === 0;
  if (now.closed) return decideClosed(known, now, { producer, claim, closeOnly });

  let bytes: Uint8Array = NOTHING;
  if (!closeOnly) {
    if (!sameContentType(request.contentType ?? "", known.contentType)) {
      return refuse({ kind: "content_type_mismatch", expected: known.contentType });
    }
    const body = stored();
    if (!(body instanceof Uint8Array)) return refuse(body);
    bytes = body;
  }

  if (claim !== null) {
    const verdict = checkClaim(producer, claim);
    if (verdict === "duplicate") {
      // What closed a stream finds it closed: this sequence number did something else.
      if (!request.closes) return duplicate(known, now, producer!);
      return refuse({ kind: "sequence_reused", ...expectedAfter(producer!, claim) });
    }
    if (verdict !== "next") return refuse(verdict);
  }

  if (request.streamSeq !== null && now.lastSeq !== null && request.streamSeq <= now.lastSeq) {
    return refuse({ kind: "sequence_regression" });
  }

  const tail = now.tail + bytes.length;
  return {
    kind: "accept",
    bytes,
    producer: claim && { epoch: claim.epoch, lastSeq: claim.seq, closedStream: request.closes },
    answer: {
      kind: "appended",
      duplicate: false,
      tail,
      generation: generationAt(known, tail),
      closed: request.closes,
      producer: claim && { epoch: claim.epoch, seq: claim.seq },
    },
  };
}

/** A closed stream accepts nothing; the append that closed it is answered again as it was. */
function decideClosed(
  known: StreamState,
  now: AppendState,
  { producer, claim, closeOnly }: {
    readonly producer: ProducerState | null;
    readonly claim: ProducerClaim | null;
    readonly closeOnly: boolean;
  },
): Decision {
  const end = offsetAt(known, now.tail);
  if (claim === null) {
    return closeOnly ? duplicate(known, now, null) : refuse({ kind: "closed", end });
  }
  if (producer !== null) {
    if (claim.epoch < producer.epoch) {
      return refuse({ kind: "stale_epoch", epoch: producer.epoch, end });
    }
    const closer = producer.closedStream && claim.epoch === producer.epoch &&
      claim.seq === producer.lastSeq;
    if (closer) return duplicate(known, now, producer);
  }
  return refuse({ kind: "closed", end });
}

/** Section 5.2.1, "Validation Logic". */
export function checkClaim(
  stored: ProducerState | null,
  claim: ProducerClaim,
): "next" | "duplicate" | Refusal {
  if (stored === null) {
    return claim.seq === 0 ? "next" : { kind: "sequence_gap", expected: 0, received: claim.seq };
  }
  if (claim.epoch < stored.epoch) return { kind: "stale_epoch", epoch: stored.epoch, end: null };
  if (claim.epoch > stored.epoch) {
    return claim.seq === 0 ? "next" : {
      kind: "invalid",
      code: "EPOCH_MUST_START_AT_ZERO",
      message: "a new Producer-Epoch must start at Producer-Seq 0",
    };
  }
  if (claim.seq <= stored.lastSeq) return "duplicate";
  if (claim.seq === stored.lastSeq + 1) return "next";
  return { kind: "sequence_gap", ...expectedAfter(stored, claim) };
}

function expectedAfter(stored: ProducerState, claim: ProducerClaim) {
  return { expected: stored.lastSeq + 1, received: claim.seq };
}

function duplicate(
  known: StreamState,
  now: AppendState,
  producer: ProducerState | null,
): Decision {
  return {
    kind: "answer",
    answer: {
      kind: "appended",
      duplicate: true,
      tail: now.tail,
      generation: generationAt(known, now.tail),
      closed: now.closed,
      producer: producer && { epoch: producer.epoch, seq: producer.lastSeq },
    },
  };
}

function refuse(refusal: Refusal): Decision {
  return { kind: "refuse", refusal };
}
