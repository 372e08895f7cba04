/** What a commit refuses to send. What it sends is tested with a database, in the tests of appends. */
import assert from "node:assert/strict";
import { InvariantViolation } from "../../../src/lib/invariant.ts";
import type { Database } from "../../../src/storage/database.ts";
import { commitAppends } from "../../../src/streams/append/committer.ts";
import { appendOf, bytesOf, queueOf, streamOf } from "./appends.ts";

const unreachable = {
  query: () => Promise.reject(new Error("the statement was sent")),
} as unknown as Database;

Deno.test("commitAppends sends nothing when a tail does not grow by the bytes there are", async () => {
  const write = queueOf(streamOf(), appendOf("abc")).decideWaiting(1000)!;
  const { after } = write;
  for (
    const wrong of [
      { ...write, chunks: [bytesOf("ab")] },
      { ...write, chunks: [] },
      { ...write, after: { ...after, tail: after.tail + 1 } },
    ]
  ) {
    await assert.rejects(commitAppends(unreachable, [wrong]), InvariantViolation);
  }
  await assert.rejects(commitAppends(unreachable, [write]), /the statement was sent/);
});

Deno.test("commitAppends returns refused and rebased streams, and where bytes were written", async () => {
  const writes = [1, 2, 3].map((id) =>
    queueOf(streamOf({ id }), appendOf(`bytes of ${id}`)).decideWaiting(1000)!
  );
  const rows = [
    { changed_id: 1, rebased: true, id: 1, tail: 300 },
    { changed_id: 2, rebased: false, id: null },
  ];
  const database = { query: () => Promise.resolve(rows) } as unknown as Database;
  const { refused, rebased, written } = await commitAppends(database, writes);
  assert.deepEqual([...refused], [[2, null]]);
  assert.equal(rebased.get(1)?.tail, 300);
  assert.deepEqual([...written].map(([id, { position }]) => [id, position]), [[1, 290], [3, 100]]);
});
