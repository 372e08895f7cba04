/** Loads from a real database: one per range, few at once, each waiter with its own reference. */
import assert from "node:assert/strict";
import { ReferenceCounts } from "../../../src/lib/reference_counts.ts";
import { Refused } from "../../../src/errors.ts";
import type { Database } from "../../../src/storage/database.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { CatchUpCache } from "../../../src/streams/read/catch_up_cache.ts";
import { SegmentCache } from "../../../src/streams/read/segment_cache.ts";
import { SegmentLoader } from "../../../src/streams/read/segment_loader.ts";
import { counted } from "../../support/counted_database.ts";
import { freshDatabase } from "../../support/postgres.ts";

const SEGMENT_BYTES = 100_000;
const SEGMENTS = 4;

async function withLoader(
  test: (parts: {
    loader: SegmentLoader;
    buffers: ReferenceCounts;
    segmentCache: SegmentCache;
    catchUpCache: CatchUpCache;
    id: number;
    scannedRows: () => number;
    smallReads: () => number;
  }) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const real = await openPostgres({ url, connections: 4, timeoutMs: 10_000 });
  stack.defer(() => real.close());
  await migrate(real);
  const id = await fill(real);
  const { database, counts } = counted(real);
  const buffers = new ReferenceCounts();
  const segmentCache = new SegmentCache(1 << 20);
  const catchUpCache = new CatchUpCache(buffers);
  const loader = new SegmentLoader({ database, segmentCache, catchUpCache, buffers });
  await test({
    ...{ loader, buffers, segmentCache, catchUpCache, id },
    scannedRows: () => counts.rows,
    smallReads: () => counts.statements.get("read_segments") ?? 0,
  });
}

/** Segments of which each is full of its own number. */
async function fill(database: Database): Promise<number> {
  const [row] = await database.query<{ id: number }>(
    `insert into penstock.streams (path, content_type)
      values ('a', 'application/octet-stream') returning id`,
  );
  for (let n = 0; n < SEGMENTS; n++) {
    await database.query(
      "insert into penstock.segments (stream_id, position, data) values ($1, $2, $3)",
      [row!.id, n * SEGMENT_BYTES, new Uint8Array(SEGMENT_BYTES).fill(n)],
    );
  }
  return row!.id;
}

Deno.test("a range that many want at once is loaded once, and freed after the last of them", () =>
  withLoader(async ({ loader, buffers, catchUpCache, id, scannedRows }) => {
    const loads = Array.from({ length: 10 }, () => loader.load(id, 0, 2 * SEGMENT_BYTES));
    assert.equal(loader.inFlight, 1);
    const loaded = await Promise.all(loads);
    assert.equal(loader.inFlight, 0);
    assert.equal(scannedRows(), 2);
    const [first] = loaded;
    assert.deepEqual([first!.length, first![0], first!.at(-1)], [2 * SEGMENT_BYTES, 0, 1]);
    assert.ok(loaded.every(({ buffer }) => buffer === first!.buffer));

    catchUpCache.clear();
    for (const bytes of loaded.slice(1)) buffers.release(bytes);
    assert.equal(first!.length, 2 * SEGMENT_BYTES);
    buffers.release(first!);
    assert.equal(first!.length, 0);
  }));

Deno.test("a large load is cached for catch-up, a small one with the segments", () =>
  withLoader(async ({ loader, segmentCache, catchUpCache, id, smallReads }) => {
    await loader.load(id, SEGMENT_BYTES, 3 * SEGMENT_BYTES);
    assert.equal(catchUpCache.reach(id, SEGMENT_BYTES), 3 * SEGMENT_BYTES);
    assert.equal(segmentCache.get(id, SEGMENT_BYTES, SEGMENT_BYTES + 1), null);
    const small = await loader.load(id, 50, 60);
    assert.deepEqual(small, new Uint8Array(10));
    assert.equal(smallReads(), 1);
    assert.equal(segmentCache.get(id, 50, 60)?.length, 10);
    assert.equal(catchUpCache.reach(id, 50), 50);
  }));

Deno.test("a load of what is not stored fails for all that wait, and leaves nothing in flight", () =>
  withLoader(async ({ loader, id }) => {
    const beyond = SEGMENTS * SEGMENT_BYTES;
    const loads = [loader, loader].map((each) => each.load(id, beyond, beyond + 1_000_000));
    for (const load of loads) await assert.rejects(load, Refused);
    assert.equal(loader.inFlight, 0);
    await assert.rejects(loader.load(id + 1, 0, 10), Refused);
    assert.equal((await loader.load(id, 0, beyond)).length, beyond);
  }));
