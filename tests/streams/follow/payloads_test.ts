/** NOTIFY payloads: every changed stream is in one, and Postgres takes each. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { payloads } from "../../../src/streams/follow/node_notifier.ts";

const NODE = "0123abcd";

/** Read as the other nodes do. */
function idsOf(all: readonly string[]): number[] {
  return all.flatMap((payload) => {
    const [node, ids, ...rest] = payload.split(":");
    assert.equal(node, NODE);
    assert.deepEqual(rest, []);
    return ids!.split(",").map(Number);
  });
}

function assertBounds(all: readonly string[]): void {
  for (const payload of all) assert.ok(new TextEncoder().encode(payload).length < 8000);
}

Deno.test("payloads has nothing to say of no streams", () => {
  assert.deepEqual(payloads(NODE, []), []);
});

Deno.test("payloads puts a few streams into one", () => {
  assert.deepEqual(payloads(NODE, [3]), ["0123abcd:3"]);
  assert.deepEqual(payloads(NODE, [3, 1, 2]), ["0123abcd:3,1,2"]);
});

Deno.test("payloads carries every id once, in payloads of less than 8000 bytes", () => {
  const id = fc.oneof(
    fc.integer({ min: 1, max: 1000 }),
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    fc.constant(Number.MAX_SAFE_INTEGER),
  );
  const few = fc.array(id, { maxLength: 20 });
  const times = fc.integer({ min: 1, max: 300 });
  fc.assert(fc.property(few, times, (some, repeated) => {
    const ids = Array.from({ length: repeated }, () => some).flat();
    const all = payloads(NODE, ids);
    assertBounds(all);
    assert.deepEqual(idsOf(all), ids);
  }));
});

Deno.test("payloads fills payloads of the longest ids to the brim, not beyond", () => {
  for (let count = 455; count <= 475; count++) {
    const ids = new Array<number>(count).fill(Number.MAX_SAFE_INTEGER);
    const all = payloads(NODE, ids);
    assertBounds(all);
    assert.deepEqual(idsOf(all), ids);
  }
  // A payload is a round trip: short ids must not be spread over more of them than needed.
  assert.equal(payloads(NODE, new Array<number>(3000).fill(1)).length, 1);
});
