/** The cache of catch-up reads: bytes stay for as long as the cache or a reader needs them. */
import assert from "node:assert/strict";
import { ReferenceCounts } from "../../../src/lib/reference_counts.ts";
import { CatchUpCache } from "../../../src/streams/read/catch_up_cache.ts";

const MIB = 1 << 20;

Deno.test("what is inserted is given without a copy, as far as its buffer goes", () => {
  const cache = new CatchUpCache(new ReferenceCounts());
  const bytes = new Uint8Array(100).fill(7);
  cache.insert(1, 1000, bytes);
  const got = cache.retain(1, 1010, 5000);
  assert.equal(got?.buffer, bytes.buffer);
  assert.equal(got?.length, 90);
  assert.equal(cache.byteAt(1, 1099), 7);
  assert.equal(cache.byteAt(1, 1100), undefined);
  assert.equal(cache.retain(1, 999, 5000), null);
  assert.equal(cache.retain(2, 1010, 5000), null);
  assert.deepEqual([cache.reach(1, 1000), cache.reach(1, 2000)], [1100, 2000]);
});

Deno.test("an evicted buffer is freed when the last reader has released it, and not before", () => {
  const buffers = new ReferenceCounts();
  const cache = new CatchUpCache(buffers);
  const loads = Array.from({ length: 5 }, (_, n) => new Uint8Array(4 * MIB).fill(n + 1));
  cache.insert(1, 0, loads[0]!);
  const [one, other] = [cache.retain(1, 0, 100)!, cache.retain(1, 50, 100)!];
  // 16 MiB have room for four of them.
  loads.slice(1).forEach((load, n) => cache.insert(2, n * 4 * MIB, load));
  assert.equal(cache.retain(1, 0, 100), null);
  assert.deepEqual([one[0], other[0]], [1, 1]);
  buffers.release(one);
  assert.equal(other[0], 1);
  buffers.release(other);
  assert.deepEqual([one.length, loads[0]!.length, loads[1]!.length], [0, 0, 4 * MIB]);
  cache.clear();
  assert.deepEqual(loads.map(({ length }) => length), [0, 0, 0, 0, 0]);
});

Deno.test("what is larger than a third of the cache is not cached, nor freed", () => {
  const cache = new CatchUpCache(new ReferenceCounts());
  const bytes = new Uint8Array(6 * MIB);
  cache.insert(1, 0, bytes);
  assert.equal(cache.retain(1, 0, 1), null);
  assert.equal(bytes.length, 6 * MIB);
});
