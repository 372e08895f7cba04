import assert from "node:assert/strict";
import { StreamQueues } from "../../../src/streams/append/stream_queues.ts";
import { appendOf } from "./appends.ts";

Deno.test("StreamQueues keeps one queue per path", () => {
  const queues = new StreamQueues();
  assert.equal(queues.get("a"), queues.get("a"));
  assert.notEqual(queues.get("a"), queues.get("b"));
  assert.deepEqual([...queues.values()].map(({ path }) => path), ["a", "b"]);
});

Deno.test("StreamQueues lets those go that were used longest ago, unless something waits", () => {
  const queues = new StreamQueues(20);
  for (let n = 0; n < 20; n++) queues.get(`q${n}`);
  queues.get("q1");
  queues.get("q0").waiting.push(appendOf("x"));
  queues.get("new");
  const left = new Set([...queues.values()].map(({ path }) => path));
  assert.equal(left.size, 18);
  for (const gone of ["q2", "q3", "q4"]) assert.ok(!left.has(gone), gone);
  for (const kept of ["q0", "q1", "q5", "new"]) assert.ok(left.has(kept), kept);
});

Deno.test("StreamQueues takes more than its bound rather than lose what waits", () => {
  const queues = new StreamQueues(3);
  for (let n = 0; n < 5; n++) queues.get(`q${n}`).waiting.push(appendOf("x"));
  assert.equal([...queues.values()].length, 5);
});
