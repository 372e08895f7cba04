import assert from "node:assert/strict";
import fc from "fast-check";
import { parseBytes, parseSeconds } from "../../src/lib/quantities.ts";

Deno.test("every whole amount of a unit is read, and a bare number is of the smallest", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 1e9 }), (n) => {
    assert.deepEqual(
      ["", "s", "m", "h", "d"].map((unit) => parseSeconds(`${n}${unit}`)),
      [n, n, n * 60, n * 3600, n * 86_400],
    );
    assert.deepEqual(
      ["", "KiB", "MiB", "GiB", "TiB"].map((unit) => parseBytes(`${n}${unit}`)),
      [0, 10, 20, 30, 40].map((power) => n * 2 ** power),
    );
  }));
});

Deno.test("what is no amount is null", () => {
  for (
    const text of ["", "s", "-1", "1.5", "1e3", " 1", "1 s", "1S", "1constructor", "1".repeat(16)]
  ) {
    assert.equal(parseSeconds(text), null, text);
    assert.equal(parseBytes(text), null, text);
  }
  assert.equal(parseSeconds("1KiB"), null);
  assert.equal(parseBytes("1s"), null);
});
