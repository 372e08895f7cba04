/** Many bytes at once: `Database.scan` on both databases, and the pages that are read by it. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { Database } from "../../../../src/storage/database.ts";
import { openPglite } from "../../../../src/storage/pglite/pglite.ts";
import { openPostgres } from "../../../../src/storage/postgres/postgres.ts";
import { migrate } from "../../../../src/storage/migrate.ts";
import { type Page, PageReader } from "../../../../src/streams/read/page_reader.ts";
import { SegmentCache } from "../../../../src/streams/read/segment_cache.ts";
import type { StreamState } from "../../../../src/streams/stream_state.ts";
import { counted } from "../../../support/counted_database.ts";
import { freshDatabase } from "../../../support/postgres.ts";

type Kind = Database["kind"];

/** A migrated database for a test. */
async function withDatabase(kind: Kind, test: (database: Database) => Promise<void>) {
  if (kind === "postgres") {
    await using stack = new AsyncDisposableStack();
    const { url, drop } = await freshDatabase();
    stack.defer(drop);
    const database = await openPostgres({ url, connections: 2, timeoutMs: 4000 });
    stack.defer(() => database.close());
    await migrate(database);
    await test(database);
  } else {
    const dataDir = fs.mkdtempSync(join(tmpdir(), "penstock-scan-"));
    try {
      const database = await openPglite({ dataDir });
      await migrate(database);
      await test(database).finally(() => database.close());
    } finally {
      fs.rmSync(dataDir, { recursive: true, force: true });
    }
  }
}

/** The byte at a position, so that any range can be checked. */
function reference(start: number, stop: number): Uint8Array {
  return Uint8Array.from({ length: stop - start }, (_, at) => (start + at) * 31 >>> 3);
}

/** A stream of segments as long as `lengths` say. */
async function fill(database: Database, lengths: readonly number[]): Promise<StreamState> {
  const [row] = await database.query<{ id: number }>(
    `insert into penstock.streams (path, content_type) values ('s', 'application/octet-stream')
      returning id`,
  );
  let tail = 0;
  for (const length of lengths) {
    await database.query(
      "insert into penstock.segments (stream_id, position, data) values ($1, $2, $3)",
      [row!.id, tail, reference(tail, tail + length)],
    );
    tail += length;
  }
  return {
    id: row!.id,
    contentType: "application/octet-stream",
    sourceId: null,
    forkPosition: null,
    sources: [],
    tail,
    closed: false,
  } as unknown as StreamState;
}

for (const kind of ["postgres", "embedded"] as const) {
  Deno.test(`${kind}: scan brings positions and bytes as they are`, () =>
    withDatabase(kind, async (database) => {
      const rows = await database.scan(
        `select p as position, decode(repeat('00ff5c0a', n), 'hex') as data
          from (values ($1::bigint, 0), ($2::bigint, 1), (3::bigint, 300000)) v(p, n) order by p`,
        [2 ** 40 + 7, 2 ** 53 - 1],
      );
      assert.deepEqual(rows.map((row) => row.position), [3, 2 ** 40 + 7, 2 ** 53 - 1]);
      assert.deepEqual(rows.map((row) => row.data.length), [1_200_000, 0, 4]);
      assert.deepEqual([...rows[2]!.data], [0x00, 0xff, 0x5c, 0x0a]);
      assert.deepEqual([...rows[0]!.data.slice(-4)], [0x00, 0xff, 0x5c, 0x0a]);
      assert.deepEqual(
        await database.scan("select 1::bigint as position, ''::bytea as data where false", []),
        [],
      );
    }));

  Deno.test(`${kind}: a scan that fails says so, and the next statement works`, () =>
    withDatabase(kind, async (database) => {
      await assert.rejects(database.scan("select position, data from nowhere", []), /nowhere/);
      // This one fails after its first megabytes.
      await assert.rejects(
        database.scan(
          `select (100 / (20 - g))::bigint as position, decode(repeat('00', 100000), 'hex') as data
            from generate_series(1, 30) g`,
          [],
        ),
        /division by zero/,
      );
      assert.deepEqual([...await database.query("select 1 as one")], [{ one: 1 }]);
    }));

  Deno.test(`${kind}: pages of every size are the bytes that are stored`, () =>
    withDatabase(kind, async (database) => {
      const stream = await fill(database, [1, 40_000, 5, 700_000, 3, 3, 1_048_576, 100_000, 9]);
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: stream.tail }),
          fc.integer({ min: 1, max: 1 << 21 }),
          async (start, limit) => {
            const reader = new PageReader(database, new SegmentCache(1 << 16));
            const page = await reader.page(stream, start, stream, limit);
            assert.ok(page.end > start || start === stream.tail);
            assert.equal(page.upToDate, page.end === stream.tail);
            const difference = page.bytes.findIndex((byte, at) =>
              byte !== (((start + at) * 31 >>> 3) & 255)
            );
            assert.equal(difference, -1);
          },
        ),
        { numRuns: 40 },
      );
      // One reader, from page to page: what was read ahead is what comes next.
      const reader = new PageReader(database, new SegmentCache(1 << 16));
      let reach = 0;
      while (reach < stream.tail) {
        const page = await reader.page(stream, reach);
        assert.deepEqual(page.bytes, reference(reach, page.end));
        reach = page.end;
      }
    }));
}

Deno.test("postgres: a page is freed when all its readers have released it, and not before", () =>
  withDatabase("postgres", async (database) => {
    const stream = await fill(database, new Array(24).fill(1 << 20));
    const reader = new PageReader(database, new SegmentCache(1 << 16));
    const readAll = async (release: boolean) => {
      const pages: Page[] = [];
      for (let at = 0; at < stream.tail; at = pages.at(-1)!.end) {
        pages.push(await reader.page(stream, at));
        if (release) pages.at(-1)!.release!();
      }
      return pages;
    };
    // Together, so that they share loads: six pages, of which four are kept.
    const [keeping, releasing] = await Promise.all([readAll(false), readAll(true)]);
    const whole = ({ start, end, bytes }: Page) => bytes.length === end - start;
    for (const [at, page] of keeping.entries()) {
      assert.deepEqual(page.bytes, reference(page.start, page.end));
      assert.equal(page.bytes.buffer, releasing[at]!.bytes.buffer);
    }
    for (const page of keeping) page.release!();
    const kept = keeping.filter(whole).length;
    assert.ok(kept > 0 && kept <= 4, `${kept} pages are kept`);
    assert.ok(keeping.slice(-kept).every(whole));
  }));

for (const length of [30_000, 700_000, 1_000_000, 1 << 20]) {
  Deno.test(`postgres: read from page to page, segments of ${length} bytes are loaded once each`, () =>
    withDatabase("postgres", async (real) => {
      const stream = await fill(real, new Array(Math.ceil((12 << 20) / length)).fill(length));
      const { database, counts } = counted(real);
      const reader = new PageReader(database, new SegmentCache(1 << 16));
      for (let at = 0; at < stream.tail;) {
        const page = await reader.page(stream, at);
        at = page.end;
        page.release?.();
      }
      assert.equal(counts.rows, stream.tail / length);
    }));
}
