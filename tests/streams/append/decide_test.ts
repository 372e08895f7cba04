/** `decide`: every branch and the order of the checks, and producers against a simple model. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type AppendRequest,
  type AppendState,
  checkClaim,
  decide,
  type Decision,
  type ProducerClaim,
  type ProducerState,
} from "../../../src/streams/append/decide.ts";
import { type StoredBody, storedBody } from "../../../src/streams/stored_body.ts";
import type { StreamState } from "../../../src/streams/stream_state.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** `decide` may read nothing of the row but what never changes: the rest is not even there. */
const streamOf = (contentType: string) =>
  ({ contentType, id: 7, forkPosition: null, sources: [] as const }) as unknown as StreamState;

const OPEN: AppendState = { tail: 10, closed: false, lastSeq: null };
const CLOSED: AppendState = { tail: 10, closed: true, lastSeq: null };
const END = { position: 10, generation: 7 };

const P: ProducerClaim = { id: "p", epoch: 2, seq: 5 };
/** The next of this one's is `P`. */
const BEFORE_P: ProducerState = { epoch: 2, lastSeq: 4, closedStream: false };

function requestOf(parts: Partial<AppendRequest> = {}): AppendRequest {
  return {
    contentType: "text/plain",
    body: bytesOf("abc"),
    closes: false,
    streamSeq: null,
    producer: null,
    ...parts,
  };
}

const closeOnly = (parts: Partial<AppendRequest> = {}) =>
  requestOf({ body: new Uint8Array(0), closes: true, contentType: null, ...parts });

interface Given {
  contentType?: string;
  now?: AppendState;
  producer?: ProducerState | null;
}

function decided(request: AppendRequest, given: Given = {}): Decision {
  const contentType = given.contentType ?? "text/plain";
  const stored = (): StoredBody => storedBody(contentType, request.body, false);
  return decide(
    streamOf(contentType),
    given.now ?? OPEN,
    given.producer ?? null,
    request,
    stored,
  );
}

/** What a decision comes to, short enough to compare a list of them. */
function brief(decision: Decision): string {
  if (decision.kind === "refuse") return decision.refusal.kind;
  return decision.kind === "accept" ? "accept" : "answer";
}

Deno.test("decide accepts a plain append and moves the tail by what is stored", () => {
  assert.deepEqual(decided(requestOf()), {
    kind: "accept",
    bytes: bytesOf("abc"),
    producer: null,
    answer: {
      ...{ kind: "appended", duplicate: false, tail: 13, generation: 7 },
      ...{ closed: false, producer: null },
    },
  });
});

Deno.test("decide stores JSON messages, not the request's body", () => {
  const decision = decided(
    requestOf({ contentType: "application/json", body: bytesOf(" [1, 2] ") }),
    { contentType: "application/json" },
  );
  assert.equal(decision.kind, "accept");
  if (decision.kind !== "accept") return;
  assert.equal(textOf(decision.bytes), "1\x1e2\x1e");
  assert.equal(decision.answer.tail, 14);
});

Deno.test("decide closes with and without a last append", () => {
  const last = decided(requestOf({ closes: true, producer: P }), { producer: BEFORE_P });
  assert.deepEqual(last, {
    kind: "accept",
    bytes: bytesOf("abc"),
    producer: { epoch: 2, lastSeq: 5, closedStream: true },
    answer: {
      kind: "appended",
      duplicate: false,
      tail: 13,
      generation: 7,
      closed: true,
      producer: { epoch: 2, seq: 5 },
    },
  });
  const only = decided(closeOnly());
  assert.equal(only.kind, "accept");
  if (only.kind !== "accept") return;
  assert.equal(only.bytes.length, 0);
  assert.equal(only.answer.tail, 10);
  assert.equal(only.answer.closed, true);
});

Deno.test("decide checks neither type nor body of a close without a body", () => {
  const request = closeOnly({ contentType: "image/png" });
  const decision = decide(streamOf("application/json"), OPEN, null, request, () => {
    throw new Error("an empty body is not JSON, and must not be parsed");
  });
  assert.equal(decision.kind, "accept");
});

Deno.test("decide answers a closed stream", () => {
  const closer: ProducerState = { epoch: 2, lastSeq: 5, closedStream: true };
  const other: ProducerState = { epoch: 2, lastSeq: 5, closedStream: false };
  const rows: [AppendRequest, ProducerState | null, string][] = [
    [requestOf(), null, "closed"],
    [requestOf({ closes: true }), null, "closed"],
    [closeOnly(), null, "answer"],
    // What closed the stream is answered again, be it sent with or without its body.
    [requestOf({ closes: true, producer: P }), closer, "answer"],
    [closeOnly({ producer: P }), closer, "answer"],
    [closeOnly({ producer: { ...P, seq: 4 } }), closer, "closed"],
    [closeOnly({ producer: { ...P, seq: 6 } }), closer, "closed"],
    [closeOnly({ producer: { ...P, epoch: 3, seq: 0 } }), closer, "closed"],
    // The last append of another producer is not what closed it.
    [requestOf({ producer: P }), other, "closed"],
    [closeOnly({ producer: P }), other, "closed"],
    [closeOnly({ producer: P }), null, "closed"],
    // A zombie learns that it is one, as conformance's producer-state-survives-close has it.
    [requestOf({ producer: { ...P, epoch: 1 } }), closer, "stale_epoch"],
  ];
  for (const [request, producer, expected] of rows) {
    const decision = decided(request, { now: CLOSED, producer });
    assert.equal(brief(decision), expected, JSON.stringify({ request, producer }));
    if (decision.kind === "answer") {
      const claimed = request.producer && { epoch: 2, seq: 5 };
      assert.deepEqual(decision.answer, {
        kind: "appended",
        duplicate: true,
        tail: 10,
        generation: 7,
        closed: true,
        producer: claimed,
      });
    } else if (expected === "stale_epoch") {
      const refusal = { kind: "stale_epoch", epoch: 2, end: END } as const;
      assert.deepEqual(decision, { kind: "refuse", refusal });
    } else if (expected === "closed") {
      assert.deepEqual(decision, { kind: "refuse", refusal: { kind: "closed", end: END } });
    }
  }
});

Deno.test("decide checks closed, content type, body, producer and Stream-Seq in that order", () => {
  // Wrong in every way; each step fixes the first fault, and the next one must show.
  const wrong = requestOf({
    contentType: "text/html",
    body: bytesOf("{"),
    producer: { ...P, seq: 9 },
    streamSeq: "a",
  });
  const contentType = "application/json";
  const given = { contentType, producer: BEFORE_P, now: { ...CLOSED, lastSeq: "b" } };
  assert.equal(brief(decided(wrong, given)), "closed");
  const open = { ...given, now: { ...given.now, closed: false } };
  assert.deepEqual(decided(wrong, open), {
    kind: "refuse",
    refusal: { kind: "content_type_mismatch", expected: contentType },
  });
  const typed = { ...wrong, contentType };
  const refused = decided(typed, open);
  assert.ok(refused.kind === "refuse" && refused.refusal.kind === "invalid");
  assert.equal(refused.refusal.code, "INVALID_JSON");
  const sound = { ...typed, body: bytesOf("{}") };
  assert.equal(brief(decided(sound, open)), "sequence_gap");
  const next = { ...sound, producer: P };
  assert.equal(brief(decided(next, open)), "sequence_regression");
  assert.equal(brief(decided({ ...next, streamSeq: "c" }, open)), "accept");
});

Deno.test("decide calls a retry a duplicate although its Stream-Seq is no longer greater", () => {
  const producer = { ...BEFORE_P, lastSeq: 7 };
  const decision = decided(requestOf({ producer: P, streamSeq: "b" }), {
    producer,
    now: { ...OPEN, lastSeq: "b" },
  });
  assert.deepEqual(decision, {
    kind: "answer",
    answer: {
      kind: "appended",
      duplicate: true,
      tail: 10,
      generation: 7,
      closed: false,
      // The highest accepted, not the one asked about: a pipelining client recovers by it.
      producer: { epoch: 2, seq: 7 },
    },
  });
});

Deno.test("decide refuses a close that repeats the number of an append", () => {
  const producer = { ...BEFORE_P, lastSeq: 5 };
  for (const close of [closeOnly({ producer: P }), requestOf({ closes: true, producer: P })]) {
    assert.deepEqual(decided(close, { producer }), {
      kind: "refuse",
      refusal: { kind: "sequence_reused", expected: 6, received: 5 },
    });
  }
});

Deno.test("decide names the end of a fresh fork as its source does", () => {
  const fork = { ...streamOf("text/plain"), forkPosition: 10, sources: [{ id: 3, from: 0 }] };
  const decision = decide(fork, OPEN, null, closeOnly(), () => bytesOf(""));
  assert.ok(decision.kind === "accept");
  assert.equal(decision.answer.generation, 3);
});

Deno.test("decide refuses an append without a content type, and an empty array", () => {
  assert.equal(brief(decided(requestOf({ contentType: null }))), "content_type_mismatch");
  const decision = decided(
    requestOf({ contentType: "application/json", body: bytesOf("[]") }),
    { contentType: "application/json" },
  );
  assert.ok(decision.kind === "refuse" && decision.refusal.kind === "invalid");
  assert.equal(decision.refusal.code, "EMPTY_ARRAY");
});

Deno.test("decide compares content types without parameters and letter case", () => {
  const request = requestOf({ contentType: "TEXT/Plain; charset=utf-8" });
  assert.equal(brief(decided(request)), "accept");
});

Deno.test("decide takes Stream-Seq in byte order, strictly ascending", () => {
  const rows: [string | null, string, string][] = [
    [null, "", "accept"],
    ["a", "a", "sequence_regression"],
    ["b", "a", "sequence_regression"],
    ["a", "b", "accept"],
    // By bytes, not by value, nor by any locale.
    ["9", "10", "sequence_regression"],
    ["a", "B", "sequence_regression"],
    ["Z", "a", "accept"],
    ["z", "\u00e4", "accept"],
    ["a", "aa", "accept"],
  ];
  for (const [lastSeq, streamSeq, expected] of rows) {
    const now = { ...OPEN, lastSeq };
    assert.equal(brief(decided(requestOf({ streamSeq }), { now })), expected, streamSeq);
    assert.equal(brief(decided(closeOnly({ streamSeq }), { now })), expected, streamSeq);
  }
  // Without the header nothing is compared.
  assert.equal(brief(decided(requestOf(), { now: { ...OPEN, lastSeq: "z" } })), "accept");
});

Deno.test("checkClaim follows section 5.2.1 at every border", () => {
  const stored: ProducerState = { epoch: 2, lastSeq: 4, closedStream: false };
  const claim = (epoch: number, seq: number): ProducerClaim => ({ id: "p", epoch, seq });
  assert.equal(checkClaim(null, claim(7, 0)), "next");
  assert.deepEqual(checkClaim(null, claim(0, 1)), {
    kind: "sequence_gap",
    expected: 0,
    received: 1,
  });
  assert.deepEqual(checkClaim(stored, claim(1, 5)), { kind: "stale_epoch", epoch: 2, end: null });
  assert.equal(checkClaim(stored, claim(3, 0)), "next");
  const late = checkClaim(stored, claim(3, 1));
  assert.ok(typeof late === "object" && late.kind === "invalid");
  assert.equal(checkClaim(stored, claim(2, 0)), "duplicate");
  assert.equal(checkClaim(stored, claim(2, 4)), "duplicate");
  assert.equal(checkClaim(stored, claim(2, 5)), "next");
  assert.deepEqual(checkClaim(stored, claim(2, 6)), {
    kind: "sequence_gap",
    expected: 5,
    received: 6,
  });
});

/** One step, relative to where its producer is, so that most of them are worth something. */
interface Step {
  producerId: "p" | "q" | "r" | null;
  epochStep: number;
  seqStep: number;
  closes: boolean;
  empty: boolean;
}

/** The pseudo-code of section 5.2.1 and the words on closure, by status code. */
class Model {
  log: string[] = [];
  closedBy: string | null = null;
  readonly states = new Map<string, { epoch: number; lastSeq: number }>();

  get tail(): number {
    return this.log.join("").length;
  }

  append(claim: ProducerClaim | null, body: string, closes: boolean): string {
    const key = claim === null ? "" : `${claim.id} ${claim.epoch} ${claim.seq}`;
    const state = claim === null ? undefined : this.states.get(claim.id);
    if (this.closedBy !== null) {
      if (claim === null) return closes && body === "" ? "204" : "409 closed";
      if (state !== undefined && claim.epoch < state.epoch) return `403 ${state.epoch}`;
      return key === this.closedBy ? `204 ${state!.epoch} ${state!.lastSeq}` : "409 closed";
    }
    if (claim !== null) {
      const { id, epoch, seq } = claim;
      if (state === undefined) {
        if (seq !== 0) return `409 0 ${seq}`;
      } else if (epoch < state.epoch) {
        return `403 ${state.epoch}`;
      } else if (epoch > state.epoch) {
        if (seq !== 0) return "400";
      } else if (seq <= state.lastSeq) {
        if (closes) return `409 reused ${state.lastSeq + 1} ${seq}`;
        return `204 ${state.epoch} ${state.lastSeq}`;
      } else if (seq > state.lastSeq + 1) {
        return `409 ${state.lastSeq + 1} ${seq}`;
      }
      this.states.set(id, { epoch, lastSeq: seq });
    }
    this.log.push(body);
    if (closes) this.closedBy = key;
    return claim === null ? "200" : `200 ${claim.epoch} ${claim.seq}`;
  }
}

function statusOf(decision: Decision): string {
  if (decision.kind !== "refuse") {
    const { producer, duplicate } = decision.answer;
    const state = producer === null ? "" : ` ${producer.epoch} ${producer.seq}`;
    return `${duplicate ? "204" : "200"}${state}`;
  }
  const { refusal } = decision;
  if (refusal.kind === "closed") return "409 closed";
  if (refusal.kind === "stale_epoch") return `403 ${refusal.epoch}`;
  if (refusal.kind === "sequence_gap") return `409 ${refusal.expected} ${refusal.received}`;
  if (refusal.kind === "sequence_reused") {
    return `409 reused ${refusal.expected} ${refusal.received}`;
  }
  return refusal.kind === "invalid" ? "400" : refusal.kind;
}

const step: fc.Arbitrary<Step> = fc.record({
  producerId: fc.constantFrom("p", "q", "r", null),
  epochStep: fc.constantFrom(0, 0, 0, 0, 0, -1, 1),
  seqStep: fc.constantFrom(0, 0, 0, 0, -1, -2, 1, 2),
  closes: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
  empty: fc.boolean(),
});

Deno.test("decide accepts of random producers what the model accepts, once and in order", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = new Model();
      let now: AppendState = { tail: 0, closed: false, lastSeq: null };
      const producers = new Map<string, ProducerState>();
      const log: string[] = [];
      const taken = new Set<string>();
      steps.forEach(({ producerId, epochStep, seqStep, closes, empty }, at) => {
        const state = producerId === null ? undefined : model.states.get(producerId);
        const epoch = Math.max(0, (state?.epoch ?? 1) + epochStep);
        const base = state !== undefined && epoch === state.epoch ? state.lastSeq + 1 : 0;
        const claim = producerId && { id: producerId, epoch, seq: Math.max(0, base + seqStep) };
        // Every body is another one: what is stored twice or out of order shows.
        const body = closes && empty ? "" : `${at};`;
        const expected = model.append(claim, body, closes);
        const decision = decided(requestOf({ body: bytesOf(body), closes, producer: claim }), {
          now,
          producer: producerId === null ? null : producers.get(producerId) ?? null,
        });
        assert.equal(statusOf(decision), expected);
        if (decision.kind === "accept") {
          log.push(textOf(decision.bytes));
          now = { ...now, tail: decision.answer.tail, closed: decision.answer.closed };
          if (producerId !== null) producers.set(producerId, decision.producer!);
          const key = JSON.stringify(claim ?? at);
          assert.ok(!taken.has(key), `${key} was accepted twice`);
          taken.add(key);
        }
        if (decision.kind === "refuse") return;
        assert.equal(decision.answer.tail, model.tail);
        assert.equal(decision.answer.closed, model.closedBy !== null);
      });
      assert.deepEqual(log, model.log);
      assert.equal(now.tail, model.tail);
    }),
    { numRuns: 500 },
  );
});
