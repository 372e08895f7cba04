import assert from "node:assert/strict";
import { settlesWithin, withTimeout } from "../../src/lib/timeout.ts";

const never = new Promise<never>(() => {});
const late = () => new Error("late");

Deno.test("withTimeout passes on what settles in time", async () => {
  assert.equal(await withTimeout(Promise.resolve(1), 1000, late), 1);
  await assert.rejects(withTimeout(Promise.reject(new Error("broken")), 1000, late), /broken/);
});

Deno.test("withTimeout rejects when the time is over, and a later failure harms nobody", async () => {
  await assert.rejects(withTimeout(never, 1, late), /late/);
  let fail = (_: Error) => {};
  const failing = new Promise<never>((_, reject) => fail = reject);
  await assert.rejects(withTimeout(failing, 1, late), /late/);
  fail(new Error("nobody waits for this"));
});

Deno.test("settlesWithin says whether the work settled, fulfilled or rejected", async () => {
  assert.equal(await settlesWithin(Promise.resolve(), 1000), true);
  assert.equal(await settlesWithin(Promise.reject(new Error("broken")), 1000), true);
  assert.equal(await settlesWithin(never, 1), false);
});
