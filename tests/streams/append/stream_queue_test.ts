/** `StreamQueue`: the order appends are decided in, what is held, what is known after, its states. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { AppendRequest, ProducerState } from "../../../src/streams/append/decide.ts";
import { StreamQueue, type StreamWrite } from "../../../src/streams/append/stream_queue.ts";
import type { WaitingAppend } from "../../../src/streams/append/waiting_append.ts";
import { InvariantViolation } from "../../../src/lib/invariant.ts";
import type { StreamState } from "../../../src/streams/stream_state.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const NO_ROOM_LIMIT = Number.MAX_SAFE_INTEGER;

function streamOf(parts: Partial<StreamState> = {}): StreamState {
  const base = { id: 7, contentType: "text/plain", tail: 100, closed: false };
  const chain = { forkPosition: null, sources: [] };
  return { ...base, ...chain, lastSeq: null, ...parts } as StreamState;
}

function queueOf(stream = streamOf(), producers: Record<string, ProducerState | null> = {}) {
  const queue = new StreamQueue("stream");
  queue.setStream(stream);
  for (const [id, state] of Object.entries(producers)) queue.setProducer(id, state);
  return queue;
}

/** Decides what waits, of which there is something. */
function decided(queue: StreamQueue, room = NO_ROOM_LIMIT): StreamWrite {
  const write = queue.decideWaiting(room);
  assert(write !== null);
  return write;
}

function waiting(parts: Partial<AppendRequest> | string, mayBeHeld = true): WaitingAppend {
  const request: AppendRequest = {
    contentType: "text/plain",
    body: typeof parts === "string" ? bytesOf(parts) : new Uint8Array(0),
    closes: false,
    streamSeq: null,
    producer: null,
    ...(typeof parts === "string" ? {} : parts),
  };
  return {
    request,
    commitsStartedBefore: 0,
    admittedAt: 0,
    mayBeHeld,
    resolve: () => {},
    reject: () => {},
  };
}

/** An append of a producer, its body saying which: `p1.0;`. */
function claimed(id: string, epoch: number, seq: number, mayBeHeld = true): WaitingAppend {
  const body = bytesOf(`${id}${epoch}.${seq};`);
  return waiting({ body, producer: { id, epoch, seq } }, mayBeHeld);
}

const stored = (write: StreamWrite) => write.chunks.map(textOf).join("");
const outcomes = (write: StreamWrite) =>
  write.answers.map(([, outcome]) =>
    outcome.kind !== "appended" ? outcome.kind : outcome.duplicate ? "duplicate" : "new"
  );

Deno.test("decideWaiting puts a producer's requests in order, in the places they came in", () => {
  const queue = queueOf(streamOf(), { p: null, q: null });
  const [p2, p0, p1] = [claimed("p", 0, 2), claimed("p", 0, 0), claimed("p", 0, 1)];
  const [plain, q0] = [waiting("plain;"), claimed("q", 0, 0)];
  queue.waiting.push(p2, plain, p0, q0, p1);
  const write = decided(queue);
  assert.equal(stored(write), "p0.0;plain;p0.1;q0.0;p0.2;");
  assert.deepEqual(write.answers.map(([append]) => append), [p0, plain, p1, q0, p2]);
  assert.deepEqual(outcomes(write), ["new", "new", "new", "new", "new"]);
  // Each answer has the tail right behind the append's own bytes.
  const tails = write.answers.map(([, outcome]) => outcome.kind === "appended" && outcome.tail);
  assert.deepEqual(tails, [105, 111, 116, 121, 126]);
  assert.deepEqual(write.held, []);
  assert.deepEqual(queue.waiting, []);
});

Deno.test("decideWaiting orders a producer's epochs before its sequence numbers", () => {
  const queue = queueOf(streamOf(), { p: { epoch: 0, lastSeq: 4, closedStream: false } });
  queue.waiting.push(claimed("p", 1, 0), claimed("p", 0, 5));
  assert.equal(stored(decided(queue)), "p0.5;p1.0;");
});

Deno.test("decideWaiting takes the first of two equal claims and calls the second a duplicate", () => {
  const queue = queueOf(streamOf(), { p: null });
  const first = claimed("p", 0, 0);
  const second = waiting({ body: bytesOf("other"), producer: first.request.producer });
  queue.waiting.push(first, second);
  const write = decided(queue);
  assert.equal(stored(write), "p0.0;");
  assert.deepEqual(write.answers.map(([append]) => append), [first, second]);
  assert.deepEqual(outcomes(write), ["new", "duplicate"]);
});

Deno.test("decideWaiting stores any shuffle of a producer's run in order", () => {
  const run = Array.from({ length: 12 }, (_, seq) => seq);
  fc.assert(fc.property(fc.shuffledSubarray(run, { minLength: 12 }), (shuffled) => {
    const queue = queueOf(streamOf(), { p: null });
    for (const seq of shuffled) queue.waiting.push(claimed("p", 0, seq));
    const write = decided(queue);
    assert.equal(stored(write), run.map((seq) => `p0.${seq};`).join(""));
    assert.deepEqual(write.producers.get("p"), { epoch: 0, lastSeq: 11, closedStream: false });
  }));
});

Deno.test("decideWaiting holds a gap, and accepts it when its predecessor has arrived", () => {
  const queue = queueOf(streamOf(), { p: null });
  const [late, early] = [claimed("p", 0, 1), claimed("p", 0, 0)];
  queue.waiting.push(late);
  const holding = decided(queue);
  assert.deepEqual(holding.held, [late]);
  assert.deepEqual(holding.answers, []);
  assert.equal(holding.writes, false);
  queue.waiting.push(early, ...holding.held);
  assert.equal(stored(decided(queue)), "p0.0;p0.1;");
});

Deno.test("decideWaiting refuses a gap that may not be held any longer, and holds no other refusal", () => {
  const queue = queueOf(streamOf(), { p: { epoch: 3, lastSeq: 0, closedStream: false } });
  queue.waiting.push(claimed("p", 3, 9, false), claimed("p", 2, 0), claimed("p", 4, 1));
  const write = decided(queue);
  assert.deepEqual(outcomes(write), ["stale_epoch", "sequence_gap", "invalid"]);
  assert.deepEqual(write.held, []);
});

Deno.test("decideWaiting writes nothing when there are only refusals and duplicates", () => {
  const stream = streamOf({ lastSeq: "m" });
  const queue = queueOf(stream, { p: { epoch: 0, lastSeq: 4, closedStream: false } });
  queue.waiting.push(
    claimed("p", 0, 4),
    waiting({ body: bytesOf("x"), streamSeq: "a" }),
    waiting({ body: bytesOf("x"), contentType: "image/png" }),
  );
  const write = decided(queue);
  assert.deepEqual(outcomes(write), ["duplicate", "sequence_regression", "content_type_mismatch"]);
  assert.equal(write.writes, false);
  assert.deepEqual(write.chunks, []);
  assert.equal(write.producers.size, 0);
  assert.deepEqual(write.after, { tail: 100, closed: false, lastSeq: "m" });
  queue.applyCommitted(write);
  assert.equal(queue.stream, stream);
});

Deno.test("decideWaiting writes for a close that brings no bytes", () => {
  const queue = queueOf();
  queue.waiting.push(waiting({ closes: true }), waiting("late"));
  const write = decided(queue);
  assert.equal(write.writes, true);
  assert.deepEqual(write.chunks, []);
  assert.deepEqual(write.after, { tail: 100, closed: true, lastSeq: null });
  assert.deepEqual(write.answers[1]![1], {
    kind: "closed",
    end: { position: 100, generation: 7 },
  });
});

Deno.test("decideWaiting holds later requests of a batch to the Stream-Seq of earlier ones", () => {
  const queue = queueOf(streamOf({ lastSeq: "a" }));
  for (const streamSeq of ["b", "b", null, "a", "c"]) {
    queue.waiting.push(waiting({ body: bytesOf("x"), streamSeq }));
  }
  const write = decided(queue);
  assert.deepEqual(outcomes(write), [
    "new",
    "sequence_regression",
    "new",
    "sequence_regression",
    "new",
  ]);
  assert.equal(write.after.lastSeq, "c");
  assert.equal(write.after.tail, 103);
});

Deno.test("decideWaiting takes what its room holds, one at least, and leaves the rest in order", () => {
  const taken = (sizes: number[], room: number) => {
    const queue = queueOf();
    for (const size of sizes) queue.waiting.push(waiting("x".repeat(size)));
    const before = [...queue.waiting];
    const count = decided(queue, room).answers.length;
    assert.deepEqual(queue.waiting, before.slice(count));
    return count;
  };
  assert.equal(taken([4, 4, 4], 8), 2);
  assert.equal(taken([4, 4, 4], 7), 1);
  assert.equal(taken([4, 4, 4], 12), 3);
  assert.equal(taken([100, 1], 8), 1);
  // Nothing is taken past one that does not fit: order matters more than filling up.
  assert.equal(taken([4, 100, 1], 8), 1);
});

Deno.test("applyCommitted makes what was written the state that the next batch is decided against", () => {
  const queue = queueOf(streamOf(), { p: null, q: null });
  queue.waiting.push(
    claimed("p", 0, 0),
    waiting({ body: bytesOf("x"), streamSeq: "k" }),
    claimed("q", 2, 0),
  );
  const write = decided(queue);
  assert.equal(queue.stream!.tail, 100, "nothing is known before the commit");
  assert.equal(queue.producers.get("p"), null);
  queue.applyCommitted(write);
  const { tail, lastSeq, closed, id } = queue.stream!;
  assert.deepEqual({ tail, lastSeq, closed, id }, {
    tail: 111,
    lastSeq: "k",
    closed: false,
    id: 7,
  });
  assert.deepEqual(queue.producers.get("p"), { epoch: 0, lastSeq: 0, closedStream: false });
  queue.waiting.push(
    claimed("p", 0, 0),
    waiting({ body: bytesOf("x"), streamSeq: "k" }),
    waiting({ closes: true, producer: { id: "q", epoch: 2, seq: 1 } }),
  );
  const next = decided(queue);
  assert.deepEqual(outcomes(next), ["duplicate", "sequence_regression", "new"]);
  queue.applyCommitted(next);
  assert.equal(queue.stream!.closed, true);
  assert.deepEqual(queue.producers.get("q"), { epoch: 2, lastSeq: 1, closedStream: true });
});

Deno.test("applyCommitted drops producers when there are too many, but not those just written", () => {
  const queue = queueOf(streamOf(), { p: null });
  for (let n = 0; n < 20_001; n++) queue.setProducer(`other-${n}`, null);
  queue.waiting.push(claimed("p", 0, 0));
  queue.applyCommitted(decided(queue));
  assert.deepEqual([...queue.producers.keys()], ["p"]);
});

Deno.test("unknownProducers names each claimed producer once, until it is loaded", () => {
  const queue = queueOf(streamOf(), { known: null });
  queue.waiting.push(
    claimed("p", 0, 0),
    waiting("x"),
    claimed("known", 0, 0),
    claimed("q", 0, 0),
    claimed("p", 0, 1),
  );
  assert.deepEqual(queue.unknownProducers(), ["p", "q"]);
  queue.setProducer("p", null);
  assert.deepEqual(queue.unknownProducers(), ["q"]);
  queue.invalidate();
  assert.equal(queue.stream, null);
  assert.deepEqual(queue.unknownProducers(), ["p", "known", "q"]);
});

Deno.test("a JSON body is parsed once, however often it is decided", () => {
  const queue = queueOf(streamOf({ contentType: "application/json" }));
  const append = waiting({ contentType: "application/json", body: bytesOf("[1,2]") });
  queue.waiting.push(append);
  const first = decided(queue).chunks[0];
  assert.equal(textOf(first!), "1\x1e2\x1e");
  queue.waiting.push(append);
  assert.equal(decided(queue).chunks[0], first);
});

Deno.test("decideWaiting fails appends that a defect keeps from being decided", async () => {
  const queue = queueOf();
  const failures: unknown[] = [];
  const broken = new Proxy({} as AppendRequest, {
    get: (_, name) => {
      if (name === "body") return bytesOf("x");
      if (name === "producer") return null;
      throw new Error("a defect");
    },
  });
  queue.waiting.push({ ...waiting("x"), request: broken, reject: (error) => failures.push(error) });
  queue.waiting.push({ ...waiting("x"), reject: (error) => failures.push(error) });
  assert.equal(queue.decideWaiting(NO_ROOM_LIMIT), null);
  assert.equal(failures.length, 2);
  await assert.rejects(Promise.reject(failures[0]), /a defect/);
  assert.equal(queue.stream, null, "what is known may be what the defect is about");
});

Deno.test("applyCommitted refuses a tail that falls and a stream that opens again", () => {
  const queue = queueOf();
  queue.waiting.push(waiting("abc"));
  const write = decided(queue);
  for (
    const wrong of [
      { ...write, after: { ...write.after, tail: 99 } },
      { ...write, stream: streamOf({ closed: true }) },
    ]
  ) {
    assert.throws(() => queue.applyCommitted(wrong), InvariantViolation);
    assert.equal(queue.stream!.tail, 100);
  }
});

Deno.test("a queue goes from state to state as the diagram has it, and no other way", () => {
  const transitions = {
    enqueueForLoad: { idle: "awaiting_load", ready: "awaiting_load" },
    beginLoad: { awaiting_load: "loading" },
    enqueueForCommit: { idle: "ready" },
    beginCommit: { ready: "committing" },
    release: { loading: "idle", committing: "idle" },
  } as const;
  const ways = {
    idle: [],
    awaiting_load: ["enqueueForLoad"],
    loading: ["enqueueForLoad", "beginLoad"],
    ready: ["enqueueForCommit"],
    committing: ["enqueueForCommit", "beginCommit"],
  } as const;
  for (const [state, way] of Object.entries(ways)) {
    for (const [transition, allowed] of Object.entries(transitions)) {
      const queue = queueOf();
      for (const step of way) queue[step]();
      assert.equal(queue.state, state);
      const next = (allowed as Record<string, string>)[state];
      const go = () => queue[transition as keyof typeof transitions]();
      if (next === undefined) assert.throws(go, InvariantViolation, `${state} ${transition}`);
      else go();
      assert.equal(queue.state, next ?? state);
    }
  }
});

Deno.test("a queue is evictable when it is idle, and nothing waits or is held in it", () => {
  const queue = queueOf();
  assert.ok(queue.evictable);
  queue.waiting.push(waiting("x"));
  assert.ok(!queue.evictable);
  queue.held = queue.waiting;
  queue.waiting = [];
  assert.ok(!queue.evictable);
  queue.held = [];
  assert.ok(queue.evictable);
  queue.enqueueForCommit();
  assert.ok(!queue.evictable);
  queue.beginCommit();
  assert.ok(!queue.evictable);
  queue.release();
  assert.ok(queue.evictable);
});
