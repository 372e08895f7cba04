/** `ReferenceCounts`: memory goes when the last one who needs it says so, and not before. */
import assert from "node:assert/strict";
import { ReferenceCounts } from "../../src/lib/reference_counts.ts";

Deno.test("a buffer is freed by the last of those who held it", () => {
  const holds = new ReferenceCounts();
  const bytes = new Uint8Array(100).fill(7);
  holds.hold(bytes, 2);
  holds.hold(bytes.subarray(10, 20));
  holds.release(bytes.subarray(50));
  holds.release(bytes);
  assert.equal(bytes[99], 7);
  holds.release(bytes);
  assert.equal(bytes.length, 0);
  assert.equal(bytes.buffer.byteLength, 0);
});

Deno.test("what nobody held is nobody's to free", () => {
  const holds = new ReferenceCounts();
  const bytes = new Uint8Array(100);
  holds.release(bytes);
  holds.release(bytes);
  assert.equal(bytes.length, 100);
});
