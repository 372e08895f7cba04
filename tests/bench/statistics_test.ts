import assert from "node:assert/strict";
import fc from "fast-check";
import { percentile, summarize } from "../../bench/report/statistics.ts";

Deno.test("percentile is the nearest rank, and the ends are the ends", () => {
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
  assert.equal(percentile(hundred, 50), 50);
  assert.equal(percentile(hundred, 99), 99);
  assert.equal(percentile(hundred, 100), 100);
  assert.equal(percentile(hundred, 0), 1);
  assert.equal(percentile([7], 99), 7);
  assert.ok(Number.isNaN(percentile([], 50)));
});

Deno.test("summarize gives the middle of an odd count, and halfway of an even one", () => {
  assert.deepEqual(summarize([5, 1, 3]), { median: 3, min: 1, max: 5, count: 3 });
  assert.equal(summarize([4, 1, 3, 2]).median, 2.5);
  assert.ok(Number.isNaN(summarize([]).median));
});

Deno.test("at least half of the values are on either side of the median, in whatever order", () => {
  fc.assert(fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
    const { median, min, max } = summarize(values);
    const below = values.filter((value) => value <= median).length;
    const above = values.filter((value) => value >= median).length;
    assert.ok(below * 2 >= values.length && above * 2 >= values.length);
    assert.ok(min <= median && median <= max);
  }));
});
