/** `split`: every byte of a fork comes from the ancestor that wrote it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Ancestor,
  chainSegments,
  type Forked,
  generationAt,
  isOffsetOf,
  offsetAt,
  split,
} from "../../../src/streams/read/fork_chain.ts";

Deno.test("split takes a fork's first bytes from its source", () => {
  const chain = [{ id: 2, from: 10 }, { id: 1, from: 0 }];
  assert.deepEqual(split(chain, 0, 20), [
    { id: 1, start: 0, stop: 10 },
    { id: 2, start: 10, stop: 20 },
  ]);
  assert.deepEqual(split(chain, 3, 10), [{ id: 1, start: 3, stop: 10 }]);
  assert.deepEqual(split(chain, 10, 11), [{ id: 2, start: 10, stop: 11 }]);
  assert.deepEqual(split(chain, 9, 11), [
    { id: 1, start: 9, stop: 10 },
    { id: 2, start: 10, stop: 11 },
  ]);
  assert.deepEqual(split(chain, 5, 5), []);
});

Deno.test("split passes over a source whose own bytes begin behind the fork", () => {
  // 3 forked 2 at 5, inside of what 2 itself has from 1.
  const chain = [{ id: 3, from: 5 }, { id: 2, from: 8 }, { id: 1, from: 0 }];
  assert.deepEqual(split(chain, 0, 10), [
    { id: 1, start: 0, stop: 5 },
    { id: 3, start: 5, stop: 10 },
  ]);
});

Deno.test("split covers the range, with each byte from the nearest ancestor that has it", () => {
  const position = fc.integer({ min: 0, max: 40 });
  const chain = fc.array(position, { maxLength: 6 }).map((froms) =>
    [...froms, 0].map((from, at) => ({ id: 100 - at, from }))
  );
  fc.assert(
    fc.property(chain, position, position, (ancestors, one, other) => {
      const start = Math.min(one, other);
      const stop = Math.max(one, other);
      const segments = split(ancestors, start, stop);
      let reach = start;
      for (const segment of segments) {
        assert.equal(segment.start, reach);
        assert.ok(segment.stop > segment.start, "no segment is empty");
        for (let at = segment.start; at < segment.stop; at++) {
          assert.equal(segment.id, ancestors.find(({ from }) => from <= at)!.id, `byte ${at}`);
        }
        reach = segment.stop;
      }
      assert.equal(reach, stop);
    }),
    { numRuns: 1000 },
  );
});

const forked = (id: number, forkPosition: number | null, sources: readonly Ancestor[]): Forked => ({
  ...{ id, forkPosition, sources },
});

Deno.test("generationAt names the stream that stored the byte before the position", () => {
  const root = forked(1, null, []);
  const fork = forked(2, 10, [{ id: 1, from: 0 }]);
  // 3 forked 2 at 15; 4 forked 3 at 5, inside of what 3 itself has from 1.
  const third = forked(3, 15, [{ id: 2, from: 10 }, { id: 1, from: 0 }]);
  const fourth = forked(4, 5, [{ id: 3, from: 15 }, ...third.sources]);
  const rows: [Forked, number, number][] = [
    [root, 0, 0],
    [root, 1, 1],
    [fork, 0, 0],
    [fork, 10, 1],
    [fork, 11, 2],
    [third, 10, 1],
    [third, 11, 2],
    [third, 15, 2],
    [third, 16, 3],
    [fourth, 5, 1],
    [fourth, 6, 4],
  ];
  for (const [stream, position, expected] of rows) {
    assert.equal(generationAt(stream, position), expected, `${stream.id} at ${position}`);
    assert.ok(isOffsetOf(stream, offsetAt(stream, position)));
    assert.ok(!isOffsetOf(stream, { position, generation: 9 }));
  }
});

Deno.test("generationAt names the stream of which the last byte of a range comes", () => {
  const froms = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 });
  fc.assert(fc.property(froms, fc.integer({ min: 1, max: 60 }), (given, position) => {
    const [own, ...sources] = [...given, 0].map((from, at) => ({ id: 100 - at, from }));
    const stream = forked(own!.id, given.length === 0 ? null : own!.from, sources);
    const [last] = chainSegments(stream, position - 1, position);
    assert.equal(generationAt(stream, position), last!.id);
  }));
});
