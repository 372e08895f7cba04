/** Appends ahead of their producer's sequence: held, released, and refused in the end. */
import assert from "node:assert/strict";
import { Reordering } from "../../../src/streams/append/reordering.ts";
import type { StreamQueue } from "../../../src/streams/append/stream_queue.ts";
import { appendOf, queueOf, streamOf } from "./appends.ts";

const early = (seq: number) => appendOf("x", { producer: { id: "p", epoch: 0, seq } });

/** Reordering whose timeouts can be awaited. */
function reordering(timeoutMs: number) {
  const timedOut: StreamQueue[] = [];
  let onTimeout = () => {};
  const parts = new Reordering({
    timeoutMs,
    onTimeout: (queue) => {
      timedOut.push(queue);
      onTimeout();
    },
  });
  const timeouts = async (count: number) => {
    while (timedOut.length < count) await new Promise<void>((resolve) => onTimeout = resolve);
    return timedOut;
  };
  return { reordering: parts, timedOut, timeouts };
}

Deno.test("Reordering releases what it holds behind what waits", async () => {
  const { reordering: parts, timedOut, timeouts } = reordering(1);
  const queue = queueOf(streamOf());
  const [first, second, third] = [early(1), early(2), early(0)];
  parts.hold(queue, [first, second]);
  assert.deepEqual(queue.held, [first, second]);
  queue.waiting.push(third);
  parts.release(queue);
  assert.deepEqual(queue.waiting, [third, first, second]);
  assert.deepEqual(queue.held, []);
  // A timeout of what is not held any longer changes nothing: a later one shows that it has passed.
  const other = queueOf(streamOf());
  parts.hold(other, [early(9)]);
  assert.deepEqual(await timeouts(1), [other]);
  assert.equal(first.mayBeHeld, true);
  assert.deepEqual(timedOut, [other]);
});

Deno.test("Reordering gives up an append at its timeout, and not those held after it", async () => {
  const { reordering: parts, timeouts } = reordering(5);
  const queue = queueOf(streamOf());
  const [first, second] = [early(1), early(2)];
  parts.hold(queue, [first]);
  queue.held.push(second);
  assert.deepEqual(await timeouts(1), [queue]);
  assert.deepEqual(queue.waiting, [first]);
  assert.deepEqual(queue.held, [second]);
  assert.deepEqual([first.mayBeHeld, second.mayBeHeld], [false, true]);
});

Deno.test("Reordering counts an append's timeout from when it was first held", async () => {
  const { reordering: parts, timeouts } = reordering(20);
  const queue = queueOf(streamOf());
  const append = early(1);
  parts.hold(queue, [append]);
  parts.release(queue);
  queue.waiting = [];
  parts.hold(queue, [append]);
  await timeouts(1);
  assert.deepEqual(queue.waiting, [append]);
  assert.equal(append.mayBeHeld, false);
  // The second timer finds it gone. What is held last is given up last.
  parts.hold(queue, [early(2)]);
  await timeouts(2);
  assert.equal(queue.waiting.length, 2);
});
