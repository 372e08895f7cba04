/** `StreamQueue`: the order requests are decided in, what is parked, and what is known after. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { AppendRequest, ProducerState } from "../../../src/streams/append/decide.ts";
import {
  StreamQueue,
  type StreamWrite,
  type WaitingAppend,
} from "../../../src/streams/append/stream_queue.ts";
import type { StreamState } from "../../../src/streams/stream_state.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const NO_ROOM_LIMIT = Number.MAX_SAFE_INTEGER;

function streamOf(parts: Partial<StreamState> = {}): StreamState {
  const base = { id: 7, contentType: "text/plain", tail: 100, version: 3, closed: false };
  return { ...base, lastSeq: null, ...parts } as StreamState;
}

function queueOf(stream = streamOf(), producers: Record<string, ProducerState | null> = {}) {
  const queue = new StreamQueue("stream");
  queue.stream = stream;
  for (const [id, state] of Object.entries(producers)) queue.know(id, state);
  return queue;
}

function waiting(parts: Partial<AppendRequest> | string, mayPark = true): WaitingAppend {
  const request: AppendRequest = {
    contentType: "text/plain",
    body: typeof parts === "string" ? bytesOf(parts) : new Uint8Array(0),
    closes: false,
    streamSeq: null,
    producer: null,
    ...(typeof parts === "string" ? {} : parts),
  };
  return { request, came: 0, mayPark, resolve: () => {}, reject: () => {} };
}

/** An append of a producer, its body saying which: `p1.0;`. */
function claimed(id: string, epoch: number, seq: number, mayPark = true): WaitingAppend {
  const body = bytesOf(`${id}${epoch}.${seq};`);
  return waiting({ body, producer: { id, epoch, seq } }, mayPark);
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
  const write = queue.decideWaiting(NO_ROOM_LIMIT);
  assert.equal(stored(write), "p0.0;plain;p0.1;q0.0;p0.2;");
  assert.deepEqual(write.answers.map(([append]) => append), [p0, plain, p1, q0, p2]);
  assert.deepEqual(outcomes(write), ["new", "new", "new", "new", "new"]);
  // Each is told the tail right behind its own bytes.
  const tails = write.answers.map(([, outcome]) => outcome.kind === "appended" && outcome.tail);
  assert.deepEqual(tails, [105, 111, 116, 121, 126]);
  assert.deepEqual(write.parked, []);
  assert.deepEqual(queue.waiting, []);
});

Deno.test("decideWaiting orders a producer's epochs before its sequence numbers", () => {
  const queue = queueOf(streamOf(), { p: { epoch: 0, lastSeq: 4, closedStream: false } });
  queue.waiting.push(claimed("p", 1, 0), claimed("p", 0, 5));
  assert.equal(stored(queue.decideWaiting(NO_ROOM_LIMIT)), "p0.5;p1.0;");
});

Deno.test("decideWaiting takes the first of two equal claims and calls the second a duplicate", () => {
  const queue = queueOf(streamOf(), { p: null });
  const first = claimed("p", 0, 0);
  const second = waiting({ body: bytesOf("other"), producer: first.request.producer });
  queue.waiting.push(first, second);
  const write = queue.decideWaiting(NO_ROOM_LIMIT);
  assert.equal(stored(write), "p0.0;");
  assert.deepEqual(write.answers.map(([append]) => append), [first, second]);
  assert.deepEqual(outcomes(write), ["new", "duplicate"]);
});

Deno.test("decideWaiting stores any shuffle of a producer's run in order", () => {
  const run = Array.from({ length: 12 }, (_, seq) => seq);
  fc.assert(fc.property(fc.shuffledSubarray(run, { minLength: 12 }), (shuffled) => {
    const queue = queueOf(streamOf(), { p: null });
    for (const seq of shuffled) queue.waiting.push(claimed("p", 0, seq));
    const write = queue.decideWaiting(NO_ROOM_LIMIT);
    assert.equal(stored(write), run.map((seq) => `p0.${seq};`).join(""));
    assert.deepEqual(write.producers.get("p"), { epoch: 0, lastSeq: 11, closedStream: false });
  }));
});

Deno.test("decideWaiting parks a gap that may wait, and takes it when the rest has come", () => {
  const queue = queueOf(streamOf(), { p: null });
  const [late, early] = [claimed("p", 0, 1), claimed("p", 0, 0)];
  queue.waiting.push(late);
  const parking = queue.decideWaiting(NO_ROOM_LIMIT);
  assert.deepEqual(parking.parked, [late]);
  assert.deepEqual(parking.answers, []);
  assert.equal(parking.writes, false);
  queue.waiting.push(early, ...parking.parked);
  assert.equal(stored(queue.decideWaiting(NO_ROOM_LIMIT)), "p0.0;p0.1;");
});

Deno.test("decideWaiting refuses a gap whose patience has ended, and parks no other refusal", () => {
  const queue = queueOf(streamOf(), { p: { epoch: 3, lastSeq: 0, closedStream: false } });
  queue.waiting.push(claimed("p", 3, 9, false), claimed("p", 2, 0), claimed("p", 4, 1));
  const write = queue.decideWaiting(NO_ROOM_LIMIT);
  assert.deepEqual(outcomes(write), ["stale_epoch", "sequence_gap", "invalid"]);
  assert.deepEqual(write.parked, []);
});

Deno.test("decideWaiting writes nothing for refusals and duplicates alone", () => {
  const stream = streamOf({ lastSeq: "m" });
  const queue = queueOf(stream, { p: { epoch: 0, lastSeq: 4, closedStream: false } });
  queue.waiting.push(
    claimed("p", 0, 4),
    waiting({ body: bytesOf("x"), streamSeq: "a" }),
    waiting({ body: bytesOf("x"), contentType: "image/png" }),
  );
  const write = queue.decideWaiting(NO_ROOM_LIMIT);
  assert.deepEqual(outcomes(write), ["duplicate", "sequence_regression", "content_type_mismatch"]);
  assert.equal(write.writes, false);
  assert.deepEqual(write.chunks, []);
  assert.equal(write.producers.size, 0);
  assert.deepEqual(write.after, { tail: 100, closed: false, lastSeq: "m" });
  queue.committed(write);
  assert.equal(queue.stream, stream);
});

Deno.test("decideWaiting writes for a close that brings no bytes", () => {
  const queue = queueOf();
  queue.waiting.push(waiting({ closes: true }), waiting("late"));
  const write = queue.decideWaiting(NO_ROOM_LIMIT);
  assert.equal(write.writes, true);
  assert.deepEqual(write.chunks, []);
  assert.deepEqual(write.after, { tail: 100, closed: true, lastSeq: null });
  assert.deepEqual(write.answers[1]![1], { kind: "closed", tail: 100 });
});

Deno.test("decideWaiting holds later requests of a batch to the Stream-Seq of earlier ones", () => {
  const queue = queueOf(streamOf({ lastSeq: "a" }));
  for (const streamSeq of ["b", "b", null, "a", "c"]) {
    queue.waiting.push(waiting({ body: bytesOf("x"), streamSeq }));
  }
  const write = queue.decideWaiting(NO_ROOM_LIMIT);
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
    const count = queue.decideWaiting(room).answers.length;
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

Deno.test("committed makes what was written the state that the next batch is decided against", () => {
  const queue = queueOf(streamOf(), { p: null, q: null });
  queue.waiting.push(
    claimed("p", 0, 0),
    waiting({ body: bytesOf("x"), streamSeq: "k" }),
    claimed("q", 2, 0),
  );
  const write = queue.decideWaiting(NO_ROOM_LIMIT);
  assert.equal(queue.stream!.tail, 100, "nothing is known before the commit");
  assert.equal(queue.producers.get("p"), null);
  queue.committed(write);
  const { tail, version, lastSeq, closed, id } = queue.stream!;
  assert.deepEqual({ tail, version, lastSeq, closed, id }, {
    tail: 111,
    version: 4,
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
  const next = queue.decideWaiting(NO_ROOM_LIMIT);
  assert.deepEqual(outcomes(next), ["duplicate", "sequence_regression", "new"]);
  queue.committed(next);
  assert.equal(queue.stream!.version, 5);
  assert.equal(queue.stream!.closed, true);
  assert.deepEqual(queue.producers.get("q"), { epoch: 2, lastSeq: 1, closedStream: true });
});

Deno.test("committed forgets producers when there are too many, but not those just written", () => {
  const queue = queueOf(streamOf(), { p: null });
  for (let n = 0; n < 20_001; n++) queue.know(`other-${n}`, null);
  queue.waiting.push(claimed("p", 0, 0));
  queue.committed(queue.decideWaiting(NO_ROOM_LIMIT));
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
  queue.know("p", null);
  assert.deepEqual(queue.unknownProducers(), ["q"]);
  queue.forget(null);
  assert.equal(queue.stream, null);
  assert.deepEqual(queue.unknownProducers(), ["p", "known", "q"]);
});

Deno.test("a JSON body is parsed once, however often it is decided", () => {
  const queue = queueOf(streamOf({ contentType: "application/json" }));
  const append = waiting({ contentType: "application/json", body: bytesOf("[1,2]") });
  queue.waiting.push(append);
  const first = queue.decideWaiting(NO_ROOM_LIMIT).chunks[0];
  assert.equal(textOf(first!), "1\x1e2\x1e");
  queue.waiting.push(append);
  assert.equal(queue.decideWaiting(NO_ROOM_LIMIT).chunks[0], first);
});

Deno.test("a queue is idle when nothing waits, is parked, is listed or under way", () => {
  const queue = queueOf();
  assert.ok(queue.idle);
  for (
    const make of [
      () => queue.busy = true,
      () => queue.listed = true,
      () => queue.waiting.push(waiting("x")),
      () => queue.parked.push(waiting("x")),
    ]
  ) {
    make();
    assert.ok(!queue.idle, String(make));
    Object.assign(queue, { busy: false, listed: false, waiting: [], parked: [] });
    assert.ok(queue.idle);
  }
});
