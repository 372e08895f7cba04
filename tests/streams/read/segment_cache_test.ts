/** `SegmentCache`: what it gives back is what was written, and it stays within its bounds. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concatenate } from "../../../src/lib/bytes.ts";
import { SegmentCache } from "../../../src/streams/read/segment_cache.ts";

const MIB = 1 << 20;

/** The one true byte at a position of a stream: no two streams, and no two places nearby, agree. */
const byteAt = (id: number, position: number) =>
  (position * 31 + (position >> 8) * 17 + id * 7) & 255;

function reference(id: number, start: number, end: number): Uint8Array {
  return Uint8Array.from({ length: end - start }, (_, at) => byteAt(id, start + at));
}

const sameBytes = (one: Uint8Array, other: Uint8Array) =>
  assert.ok(one.length === other.length && one.every((byte, at) => byte === other[at]));

type Action =
  | { do: "insert" | "get"; id: number; start: number; length: number }
  | { do: "clear" };

const range = (most: number) => ({
  id: fc.integer({ min: 1, max: 3 }),
  start: fc.integer({ min: 0, max: 3 * most }),
  length: fc.integer({ min: 0, max: most }),
});

const actions = (most: number): fc.Arbitrary<Action[]> =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant("insert" as const), ...range(most) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("get" as const), ...range(most) }) },
      {
        weight: 1,
        arbitrary: fc.constant({ do: "clear" as const }),
      },
    ),
    { maxLength: 80 },
  );

/** Inserts as a loader does, and spoils its buffer afterwards: the cache must have a copy. */
function insert(cache: SegmentCache, id: number, start: number, length: number): void {
  const bytes = reference(id, start, start + length);
  cache.insert(id, start, bytes);
  bytes.fill(0xee);
}

Deno.test("get returns a prefix of what was asked for, within any capacity", () => {
  const capacity = fc.constantFrom(0, 64, 1000, 8192, 100_000);
  fc.assert(fc.property(capacity, actions(2000), (most, steps) => {
    const cache = new SegmentCache(most);
    const given: [Uint8Array, number, number][] = [];
    for (const step of steps) {
      if (step.do === "clear") {
        cache.clear();
        for (const id of [1, 2, 3]) assert.equal(cache.get(id, 0, 10_000), null);
        continue;
      }
      const { id, start, length } = step;
      if (step.do === "insert") insert(cache, id, start, length);
      const got = cache.get(id, start, start + length);
      assert.ok(cache.size >= 0 && cache.size <= most, `${cache.size} of ${most}`);
      if (got === null) continue;
      assert.ok(got.length <= length);
      given.push([got, id, start]);
    }
    // Also at the end: a reader still sends what it was given while others insert and evict.
    for (const [got, id, start] of given) sameBytes(got, reference(id, start, start + got.length));
    cache.clear();
    assert.equal(cache.size, 0);
  }));
});

Deno.test("get returns all that lies together, as long as nothing had to be evicted", () => {
  fc.assert(fc.property(actions(2000), (steps) => {
    // 80 insertions of 2000 bytes, doubled by growth, stay far below.
    const cache = new SegmentCache(4 * MIB);
    const here = new Map<number, boolean[]>();
    for (const step of steps) {
      if (step.do === "clear") {
        cache.clear();
        here.clear();
        continue;
      }
      const { id, start, length } = step;
      const covered = here.get(id) ?? [];
      here.set(id, covered);
      if (step.do === "insert") {
        insert(cache, id, start, length);
        // The new bytes up to where others follow; what is beyond those need not be cached.
        let at = start;
        while (at < start + length && covered[at]) at++;
        while (at < start + length && !covered[at]) covered[at++] = true;
      }
      let reach = start;
      while (reach < start + length && covered[reach]) reach++;
      const got = cache.get(id, start, start + length);
      if (reach > start) assert.ok(got !== null && got.length >= reach - start);
      if (got !== null) sameBytes(got, reference(id, start, start + got.length));
    }
  }));
});

Deno.test("appends that follow each other come back whole, across the largest run", () => {
  const cache = new SegmentCache(16 * MIB);
  const total = 2 * MIB + 5;
  for (let at = 0; at < total; at += 100_000) {
    insert(cache, 1, at, Math.min(100_000, total - at));
  }
  sameBytes(cache.get(1, 0, total)!, reference(1, 0, total));
  sameBytes(cache.get(1, MIB - 3, MIB + 3)!, reference(1, MIB - 3, MIB + 3));
  sameBytes(cache.get(1, total - 1, total + 50)!, reference(1, total - 1, total));
  assert.equal(cache.get(1, total, total + 1), null);
  assert.equal(cache.get(2, 0, 1), null);
});

Deno.test("a gap ends what get returns", () => {
  const cache = new SegmentCache(MIB);
  insert(cache, 1, 0, 10);
  insert(cache, 1, 20, 10);
  sameBytes(cache.get(1, 5, 30)!, reference(1, 5, 10));
  assert.equal(cache.get(1, 10, 30), null);
  // Neither end reaches over what is there, and the hole is filled exactly.
  insert(cache, 1, 5, 20);
  sameBytes(cache.get(1, 0, 40)!, reference(1, 0, 30));
});

Deno.test("the least recently used is evicted first", () => {
  const cache = new SegmentCache(4000);
  for (const id of [1, 2, 3, 4]) insert(cache, id, 0, 1000);
  cache.get(1, 0, 1);
  insert(cache, 5, 0, 1000);
  assert.equal(cache.get(2, 0, 1), null);
  for (const id of [1, 3, 4, 5]) assert.equal(cache.get(id, 0, 1000)?.length, 1000);
});

Deno.test("what would evict everything else is not cached", () => {
  const cache = new SegmentCache(3000);
  insert(cache, 1, 0, 1001);
  assert.equal(cache.size, 0);
  insert(cache, 1, 0, 1000);
  assert.equal(cache.size, 1000);
});

Deno.test("concatenate joins, and hands a single part on as it is", () => {
  const part = Uint8Array.of(1, 2);
  assert.equal(concatenate([part]), part);
  assert.deepEqual(concatenate([part, Uint8Array.of(), Uint8Array.of(3)]), Uint8Array.of(1, 2, 3));
  assert.equal(concatenate([]).length, 0);
});
