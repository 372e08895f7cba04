/** What becomes of a commit's appends, and what is known of their streams after it. */
import assert from "node:assert/strict";
import { InvariantViolation } from "../../../src/lib/invariant.ts";
import type { CommitResult } from "../../../src/streams/append/committer.ts";
import { failWrites, settle } from "../../../src/streams/append/settlement.ts";
import { Hub } from "../../../src/streams/follow/hub.ts";
import type { NodeNotifier } from "../../../src/streams/follow/node_notifier.ts";
import { SegmentCache } from "../../../src/streams/read/segment_cache.ts";
import { addTo, appendOf, bytesOf, queueOf, streamOf } from "./appends.ts";

function parts() {
  const notified: number[] = [];
  const nodeNotifier = { notify: (id: number) => notified.push(id) } as unknown as NodeNotifier;
  return { hub: new Hub(), nodeNotifier, segmentCache: new SegmentCache(1 << 20), notified };
}

function result(given: Partial<CommitResult> = {}): CommitResult {
  return { refused: new Map(), rebased: new Map(), written: new Map(), ...given };
}

Deno.test("settle answers, caches and publishes what was written", () => {
  const append = appendOf("abc");
  const queue = queueOf(streamOf({ id: 7, tail: 100 }), append);
  const write = queue.decideWaiting(1000)!;
  const given = parts();
  const watch = given.hub.follow(7, { tail: 100, closed: false, ended: false });
  const written = new Map([[7, { position: 100, bytes: bytesOf("abc") }]]);
  assert.deepEqual(settle(given, [write], result({ written })), [7]);
  assert.ok(append.outcome?.kind === "appended" && append.outcome.tail === 103);
  assert.equal(queue.stream?.tail, 103);
  assert.equal(watch.tail, 103);
  assert.deepEqual(given.notified, [7]);
  assert.deepEqual(given.segmentCache.get(7, 100, 103), bytesOf("abc"));
});

Deno.test("settle moves the answers of a rebased write, and no longer knows its producers", () => {
  const [one, two] = [appendOf("abc"), appendOf("de")];
  const queue = queueOf(streamOf({ tail: 100 }), one, two);
  queue.setProducer("p", null);
  const write = queue.decideWaiting(1000)!;
  const rebased = new Map([[7, streamOf({ tail: 125, lastSeq: "9" })]]);
  settle(parts(), [write], result({ rebased }));
  const tails = [one, two].map(({ outcome }) => outcome?.kind === "appended" && outcome.tail);
  assert.deepEqual(tails, [123, 125]);
  assert.equal(queue.stream?.lastSeq, "9");
  assert.equal(queue.producers.size, 0);
});

Deno.test("settle has refused appends decided again, before those that came after them", () => {
  const [one, two, later] = [appendOf("abc"), appendOf("de"), appendOf("f")];
  const queue = queueOf(streamOf({ tail: 100 }), one, two);
  const write = queue.decideWaiting(1000)!;
  addTo(queue, later);
  const given = parts();
  const refused = new Map([[7, streamOf({ tail: 120, closed: true })]]);
  assert.deepEqual(settle(given, [write], result({ refused })), []);
  assert.deepEqual(queue.waiting, [one, two, later]);
  assert.equal(queue.stream?.tail, 120);
  assert.deepEqual(given.notified, []);
  assert.equal(one.outcome, undefined);
});

Deno.test("settle has the state loaded of a stream that is not there any longer", () => {
  for (const stream of [null, streamOf({ expired: true }), streamOf({ state: "deleted" })]) {
    const queue = queueOf(streamOf(), appendOf("abc"));
    const write = queue.decideWaiting(1000)!;
    settle(parts(), [write], result({ refused: new Map([[7, stream]]) }));
    assert.equal(queue.stream, null);
    assert.equal(queue.waiting.length, 1);
  }
});

Deno.test("settle only answers a write that wrote nothing", () => {
  const append = appendOf("x", { contentType: "image/png" });
  const stream = streamOf();
  const queue = queueOf(stream, append);
  const given = parts();
  assert.deepEqual(settle(given, [queue.decideWaiting(1000)!], result()), []);
  assert.equal(append.outcome?.kind, "content_type_mismatch");
  assert.equal(queue.stream, stream);
  assert.deepEqual(given.notified, []);
});

Deno.test("settle refuses a rebased tail that has fallen", () => {
  const queue = queueOf(streamOf({ tail: 100 }), appendOf("abc"));
  const write = queue.decideWaiting(1000)!;
  const rebased = new Map([[7, streamOf({ tail: 102 })]]);
  assert.throws(() => settle(parts(), [write], result({ rebased })), InvariantViolation);
});

Deno.test("failWrites fails the appends and knows nothing of their streams any longer", () => {
  const append = appendOf("abc");
  const queue = queueOf(streamOf(), append);
  const write = queue.decideWaiting(1000)!;
  const error = new Error("the connection was lost");
  failWrites([write], error);
  assert.equal(append.error, error);
  assert.equal(queue.stream, null);
});
