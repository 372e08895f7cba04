/** What a page from the end costs: bytes that are read for it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MESSAGE_END } from "../../../src/protocol/json_mode.ts";
import { readBackwards } from "../../../src/streams/read/backwards.ts";
import type { StreamState } from "../../../src/streams/stream_state.ts";

const STREAM = { contentType: "application/json", closed: false } as StreamState;
const FIRST = 16 << 10;

/** Stored messages of these lengths, the byte that ends each included. */
function stored(lengths: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0)).fill(120);
  let end = 0;
  for (const length of lengths) bytes[(end += length) - 1] = MESSAGE_END;
  return bytes;
}

async function readLast(lengths: readonly number[], count: number, most: number) {
  const bytes = stored(lengths);
  let reach = bytes.length;
  let read = 0;
  const page = await readBackwards(
    { ...STREAM, tail: bytes.length },
    { lowest: 0, stop: bytes.length, count, most },
    (start, stop) => {
      assert.equal(stop, reach, "each byte is read once");
      reach = start;
      read += stop - start;
      return Promise.resolve(bytes.slice(start, stop));
    },
  );
  return { page, read };
}

Deno.test("a page from the end has the last messages that fit, each byte read once", async () => {
  const length = fc.oneof(fc.integer({ min: 2, max: 200 }), fc.integer({ min: 2, max: 100_000 }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(length, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 80 }),
      fc.integer({ min: 1, max: 400_000 }),
      async (lengths, count, most) => {
        const { page, read } = await readLast(lengths, count, most);
        const last = lengths.slice(-count);
        while (last.length > 1 && last.reduce((sum, one) => sum + one, 0) > most) last.shift();
        assert.equal(page.bytes.length, last.reduce((sum, one) => sum + one, 0));
        // Beyond the page: what the last message was sought in, a first part, and what might fit.
        assert.ok(read <= Math.max(2 * last.at(-1)!, most) + FIRST + 1, `${read} bytes`);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("large messages cost about what they hold", async () => {
  for (const size of [10_000, 17_000, 70_000, 300_000, 2_000_000]) {
    for (const count of [1, 2, 3, 20]) {
      const { page, read } = await readLast(Array(30).fill(size), count, 4 << 20);
      const bound = 2 * page.bytes.length + FIRST;
      assert.ok(read <= bound, `${count} of ${size}: ${read} for ${page.bytes.length}`);
    }
  }
});
