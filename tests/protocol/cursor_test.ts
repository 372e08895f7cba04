import assert from "node:assert/strict";
// deno-lint-ignore no-import-prefix
import fc from "npm:fast-check@4.10.2";
import { currentCursor, nextCursor } from "../../src/protocol/cursor.ts";

const EPOCH = Date.parse("2024-10-09T00:00:00Z");
const NOW = EPOCH + 1000 * 20_000 + 19_999;
const never = () => assert.fail("no jitter is due");

Deno.test("nextCursor counts intervals of 20 s since the epoch", () => {
  assert.equal(nextCursor(null, EPOCH, never), "0");
  assert.equal(nextCursor(null, EPOCH + 19_999, never), "0");
  assert.equal(nextCursor(null, EPOCH + 20_000, never), "1");
  assert.equal(nextCursor(null, NOW, never), "1000");
});

Deno.test("nextCursor is never negative, whatever the clock says", () => {
  assert.equal(nextCursor(null, EPOCH - 1, never), "0");
});

Deno.test("nextCursor answers a cursor of the past with the present", () => {
  assert.equal(nextCursor("999", NOW, never), "1000");
  assert.equal(nextCursor("0", NOW, never), "1000");
});

Deno.test("nextCursor moves a cursor that has got as far on by 1 to 180 intervals", () => {
  assert.equal(nextCursor("1000", NOW, () => 0), "1001");
  assert.equal(nextCursor("1000", NOW, () => 1 - Number.EPSILON), "1180");
  assert.equal(nextCursor("5000", NOW, () => 0), "5001");
});

Deno.test("nextCursor ignores what is no cursor", () => {
  const huge = [String(2 ** 53), "9".repeat(16), "9".repeat(400), String(2 ** 53 - 180)];
  for (const bad of ["", "-1", "+5000", "5000.5", "5e3", " 5000", "0x2000", "abc", ...huge]) {
    assert.equal(nextCursor(bad, NOW, never), "1000", bad);
  }
});

Deno.test("nextCursor moves on the largest cursor it accepts exactly", () => {
  const largest = Number.MAX_SAFE_INTEGER - 180;
  assert.equal(
    nextCursor(String(largest), NOW, () => 1 - Number.EPSILON),
    String(Number.MAX_SAFE_INTEGER),
  );
});

Deno.test("nextCursor never goes back, nor stands still for a client that has caught up", () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(fc.property(fc.nat(5000), random, fc.nat(4_000_000), (client, number, seconds) => {
    const now = EPOCH + seconds * 10;
    const current = Number(nextCursor(null, now, never));
    const next = Number(nextCursor(String(client), now, () => number));
    assert.ok(next >= current);
    if (client >= current) assert.ok(next > client && next <= client + 180);
  }));
});

Deno.test("currentCursor is that of a client without one, whichever way the clock goes", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: -20, max: 4_000_000 })), (seconds) => {
    for (const second of seconds) {
      const now = EPOCH + second * 10;
      assert.equal(currentCursor(now), nextCursor(null, now, never));
    }
  }));
});
