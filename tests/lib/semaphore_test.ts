/** So much at once, the rest in order, and no more than may wait. */
import assert from "node:assert/strict";
import { Semaphore } from "../../src/lib/semaphore.ts";

class Full extends Error {}
const onFull = () => new Full();

Deno.test("Semaphore lets so much run at once, and the rest in the order it came", async () => {
  const semaphore = new Semaphore({ concurrency: 2, maxWaiting: 100, onFull });
  const began: number[] = [];
  const gates = Array.from({ length: 6 }, () => Promise.withResolvers<void>());
  const done = gates.map((gate, at) =>
    semaphore.run(async () => {
      began.push(at);
      await gate.promise;
      return at;
    })
  );
  assert.deepEqual(began, [0, 1]);
  for (const [at, gate] of gates.entries()) {
    gate.resolve();
    assert.equal(await done[at], at);
    await Promise.resolve();
    assert.deepEqual(began, [0, 1, 2, 3, 4, 5].slice(0, at + 3));
  }
});

Deno.test("Semaphore refuses what would wait beyond the bound, and recovers from what fails", async () => {
  const semaphore = new Semaphore({ concurrency: 1, maxWaiting: 1, onFull });
  const gate = Promise.withResolvers<void>();
  const running = semaphore.run(() => gate.promise);
  const waiting = semaphore.run(() => Promise.resolve("waited"));
  await assert.rejects(semaphore.run(() => Promise.resolve()), Full);
  gate.reject(new Error("broken"));
  await assert.rejects(running, /broken/);
  assert.equal(await waiting, "waited");
  assert.equal(await semaphore.run(() => Promise.resolve("free again")), "free again");
});
