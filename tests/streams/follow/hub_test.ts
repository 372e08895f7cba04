/** Followers of a node: which are woken, when, and that what was observed never goes back. */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import fc from "fast-check";
import { Hub, type Snapshot, Watch } from "../../../src/streams/follow/hub.ts";

const at = (tail: number, parts: Partial<Snapshot> = {}): Snapshot => ({
  tail,
  closed: false,
  ended: false,
  ...parts,
});

function countWakes(watch: Watch): () => number {
  let count = 0;
  watch.wait(() => count++);
  return () => count;
}

Deno.test("observe wakes for a higher tail, a close and an end, and for nothing old", () => {
  for (
    const [snapshot, wakes] of [
      [at(11), 1],
      [at(10, { closed: true }), 1],
      [at(10, { ended: true }), 1],
      [at(9, { ended: true }), 1],
      [at(10), 0],
      [at(9), 0],
    ] as const
  ) {
    const watch = new Watch(1, at(10));
    const count = countWakes(watch);
    watch.observe(snapshot);
    assert.equal(count(), wakes, JSON.stringify(snapshot));
    assert.ok(watch.tail >= 10);
  }
});

Deno.test("a late snapshot of the stream when it was open does not open it", () => {
  const watch = new Watch(1, at(10, { closed: true, ended: true }));
  const count = countWakes(watch);
  watch.observe(at(5));
  assert.deepEqual([watch.tail, watch.closed, watch.ended, count()], [10, true, true, 0]);
});

Deno.test("tail, closed and ended only ever rise, and each rise wakes", () => {
  const snapshot = fc.record({
    tail: fc.integer({ min: 0, max: 20 }),
    closed: fc.boolean(),
    ended: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(snapshot), (snapshots) => {
    const watch = new Watch(1, at(3));
    let [tail, closed, ended] = [3, false, false];
    for (const next of snapshots) {
      const count = countWakes(watch);
      const changed = next.tail > tail || (next.closed && !closed) || (next.ended && !ended);
      tail = Math.max(tail, next.tail);
      closed ||= next.closed;
      ended ||= next.ended;
      watch.observe(next);
      assert.deepEqual([watch.tail, watch.closed, watch.ended], [tail, closed, ended]);
      assert.equal(count(), changed ? 1 : 0);
    }
  }));
});

Deno.test("what was observed is there before a waiter is called", () => {
  const watch = new Watch(1, at(0));
  let seen = -1;
  watch.wait(() => seen = watch.tail);
  watch.observe(at(5));
  assert.equal(seen, 5);
});

Deno.test("wait calls back once, and not at all when stopped", () => {
  const watch = new Watch(1, at(0));
  const kept = countWakes(watch);
  let stopped = 0;
  const stop = watch.wait(() => stopped++);
  stop();
  watch.observe(at(1));
  watch.observe(at(2));
  assert.equal(kept(), 1);
  assert.equal(stopped, 0);
});

Deno.test("a waiter that waits again while it is called waits for the next change", () => {
  const watch = new Watch(1, at(0));
  const tails: number[] = [];
  const again = () => {
    tails.push(watch.tail);
    watch.wait(again);
  };
  watch.wait(again);
  watch.observe(at(1));
  watch.observe(at(4));
  assert.deepEqual(tails, [1, 4]);
});

Deno.test("followers of one stream share a watch until the last has unsubscribed", () => {
  const hub = new Hub();
  const one = hub.follow(7, at(1));
  const two = hub.follow(7, at(1));
  const other = hub.follow(8, at(1));
  assert.equal(one, two);
  assert.notEqual(one, other);
  assert.equal(hub.followers, 3);
  assert.deepEqual(hub.followed(), [7, 8]);
  hub.unsubscribe(one);
  assert.ok(hub.watch(7) !== undefined);
  hub.unsubscribe(two);
  assert.ok(hub.watch(7) === undefined);
  assert.ok(hub.watch(8) !== undefined);
  assert.equal(hub.followers, 1);
  // A new follower begins with its own snapshot, not with an old one.
  assert.notEqual(hub.follow(7, at(0)), one);
});

Deno.test("a follower whose snapshot is newer than the others' wakes them", () => {
  const hub = new Hub();
  const watch = hub.follow(7, at(1));
  const count = countWakes(watch);
  hub.follow(7, at(5));
  assert.equal(watch.tail, 5);
  assert.equal(count(), 1);
  hub.follow(7, at(2));
  assert.equal(watch.tail, 5);
});

Deno.test("publish notifies the followers of that stream only", () => {
  const hub = new Hub();
  const [seven, eight] = [hub.follow(7, at(1)), hub.follow(8, at(1))];
  const [wakes, others] = [countWakes(seven), countWakes(eight)];
  hub.publish(7, at(2, { closed: true }));
  hub.publish(9, at(2));
  assert.deepEqual([wakes(), others()], [1, 0]);
  assert.deepEqual([seven.tail, seven.closed], [2, true]);
  assert.equal(hub.followers, 2);
  assert.ok(hub.watch(9) === undefined);
});

Deno.test("drain wakes every follower, without a change, and stays", () => {
  const hub = new Hub();
  assert.equal(hub.draining, false);
  const watches = [hub.follow(7, at(1)), hub.follow(8, at(1))];
  const counts = watches.map(countWakes);
  // They check `draining` when they are called.
  let draining = false;
  watches[0]!.wait(() => draining = hub.draining);
  hub.drain();
  assert.deepEqual(counts.map((count) => count()), [1, 1]);
  assert.ok(draining);
  assert.deepEqual([watches[0]!.tail, watches[0]!.closed, watches[0]!.ended], [1, false, false]);
  hub.publish(7, at(2));
  assert.ok(hub.draining);
});

/** Resolves when the event loop has come round. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

Deno.test("listeners are notified once of several changes, after the turn that brought them", async () => {
  const hub = new Hub();
  const watch = hub.follow(1, at(0));
  let heard = 0;
  const listener = { onChange: () => void heard++ };
  watch.listen(listener);
  hub.publish(1, at(5));
  hub.publish(1, at(9));
  hub.publish(1, at(9));
  assert.equal(heard, 0);
  await turn();
  assert.equal(heard, 1);
  hub.drain();
  await turn();
  assert.equal(heard, 2);
  watch.unlisten(listener);
  hub.publish(1, at(20));
  await turn();
  assert.equal(heard, 2);
});

Deno.test("thousands of listeners are notified in several turns, each of them once", async () => {
  const hub = new Hub();
  const watch = hub.follow(1, at(0));
  const heard = new Array<number>(1200).fill(0);
  heard.forEach((_, index) => watch.listen({ onChange: () => void heard[index]!++ }));
  hub.publish(1, at(1));
  const notified = () => heard.reduce((sum, count) => sum + count, 0);
  await turn();
  assert.equal(notified(), 100);
  // A change while some are still pending: those are notified once, the others again.
  hub.publish(1, at(2));
  for (let turns = 0; turns < 30; turns++) await turn();
  assert.deepEqual([Math.min(...heard), Math.max(...heard)], [1, 2]);
  assert.equal(notified(), 1300);
});
