import assert from "node:assert/strict";
import { divideBufferedBytes, totalCachedBytes } from "../src/limits.ts";

Deno.test("the parts of what is in progress fit --max-buffered-bytes, and use all of it", () => {
  for (const total of [1, 64 << 20, 512 << 20, 2 ** 40]) {
    const parts = Object.values(divideBufferedBytes(total));
    assert.equal(parts.reduce((sum, part) => sum + part, 0), total);
    assert(parts.every((part) => part > 0));
  }
});

Deno.test("the caches hold 184 MiB at most, as docs/operations.md says", () => {
  assert.equal(totalCachedBytes(), 184 << 20);
});
