/** `ReferenceCounts`: a buffer is freed by its last reference, and not before. */
import assert from "node:assert/strict";
import { ReferenceCounts } from "../../src/lib/reference_counts.ts";

Deno.test("a buffer is freed when its last reference is released", () => {
  const counts = new ReferenceCounts();
  const bytes = new Uint8Array(100).fill(7);
  counts.retain(bytes, 2);
  counts.retain(bytes.subarray(10, 20));
  counts.release(bytes.subarray(50));
  counts.release(bytes);
  assert.equal(bytes[99], 7);
  counts.release(bytes);
  assert.equal(bytes.length, 0);
  assert.equal(bytes.buffer.byteLength, 0);
});

Deno.test("a buffer that was never retained is never freed", () => {
  const counts = new ReferenceCounts();
  const bytes = new Uint8Array(100);
  counts.release(bytes);
  counts.release(bytes);
  assert.equal(bytes.length, 100);
});
