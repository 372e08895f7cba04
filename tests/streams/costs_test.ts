/**
 * What things cost, in counts that a slow machine cannot move: statements, WAL, fsyncs and rows. A
 * timing shows that something got slower one day; these counts show what did.
 */
// Runs alone: it counts the WAL that the whole PostgreSQL server writes.
import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "../../src/storage/database.ts";
import { openPglite } from "../../src/storage/pglite/pglite.ts";
import { fsyncCount } from "../../src/storage/pglite/files.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { counted, type Counts } from "../support/counted_database.ts";
import type { AppendRequest } from "../../src/streams/append/decide.ts";
import { Streams } from "../../src/streams/streams.ts";
import { freshDatabase } from "../support/postgres.ts";

const BODY = new Uint8Array(100).fill(0x78);
const OCTETS = "application/octet-stream";

interface Rig {
  readonly streams: Streams;
  readonly counts: Counts;
  readonly database: Database;
}

async function withStreams(opened: Database, test: (rig: Rig) => Promise<void>): Promise<void> {
  const { database, counts } = counted(opened);
  await migrate(opened);
  const streams = new Streams(database, { report: () => {} });
  try {
    await test({ streams, counts, database: opened });
  } finally {
    await opened.close();
  }
}

async function onPostgres(test: (rig: Rig) => Promise<void>): Promise<void> {
  const { url, drop } = await freshDatabase();
  try {
    await withStreams(await openPostgres({ url, connections: 4, timeoutMs: 10_000 }), test);
  } finally {
    await drop();
  }
}

async function create(
  streams: Streams,
  path: string,
  { contentType = OCTETS }: { contentType?: string } = {},
): Promise<void> {
  const { kind } = await streams.create({
    ...{ path, contentType, ttlSeconds: null, expiresAtMs: null, closed: false },
    ...{ body: new Uint8Array(0), fork: null },
  });
  assert.equal(kind, "created");
}

async function append(streams: Streams, path: string, parts: Partial<AppendRequest> = {}) {
  const outcome = await streams.append(path, {
    ...{ contentType: OCTETS, body: BODY, closes: false, streamSeq: null, producer: null },
    ...parts,
  });
  assert.equal(outcome.kind, "appended");
}

const times = <T>(count: number, work: (index: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)));

async function walPosition(database: Database): Promise<number> {
  const [row] = await database.query<{ at: number }>(
    "select (pg_current_wal_insert_lsn() - '0/0')::bigint as at",
  );
  return row!.at;
}

Deno.test("one append is one statement, and a thousand at once are a few", () =>
  onPostgres(async ({ streams, counts: { statements } }) => {
    await create(streams, "a");
    await append(streams, "a");
    statements.clear();
    for (let n = 0; n < 20; n++) await append(streams, "a");
    assert.equal(statements.get("commit_append"), 20);
    // Nothing is asked before: the stream is known since the last commit.
    assert.equal(statements.get("load_states"), undefined);

    statements.clear();
    await times(1000, () => append(streams, "a"));
    assert.ok(statements.get("commit_append")! <= 2, `${statements.get("commit_append")}`);
  }));

Deno.test("a thousand streams share their commits, and the loads of their states", () =>
  onPostgres(async ({ streams, counts: { statements } }) => {
    await times(500, (n) => create(streams, `s/${n}`));
    statements.clear();
    await times(500, (n) => append(streams, `s/${n}`));
    assert.ok(statements.get("load_states")! <= 2, `${statements.get("load_states")}`);
    assert.ok(statements.get("commit_append")! <= 4, `${statements.get("commit_append")}`);
  }));

Deno.test("hot statements are planned once a session, to go by an index however small a table was", () =>
  onPostgres(async ({ database }) => {
    // `create or replace` drops these settings when it does not repeat them.
    const rows = await database.query<{ name: string; settings: string }>(
      `select p.proname as name, array_to_string(p.proconfig, ' ') as settings
       from pg_proc p where p.pronamespace = 'penstock'::regnamespace
         and p.proname in ('commit_append', 'commit_appends', 'load_states', 'changed_streams', 'grown_streams',
           'renew_ttls', 'create_streams', 'issue_wakes')`,
    );
    assert.equal(rows.length, 8);
    for (const { name, settings } of rows) {
      assert.match(settings, /plan_cache_mode=force_generic_plan.* enable_seqscan=off/, name);
    }
  }));

Deno.test("a producer's state travels with its bytes", () =>
  onPostgres(async ({ streams, counts: { statements } }) => {
    await create(streams, "a");
    const produce = (seq: number) => append(streams, "a", { producer: { id: "p", epoch: 0, seq } });
    await produce(0);
    statements.clear();
    for (let seq = 1; seq <= 10; seq++) await produce(seq);
    assert.equal(statements.get("commit_append"), 10);
    assert.equal(statements.get("producers"), undefined);
  }));

Deno.test("a thousand reads at once share their state loads, and a cached page costs no statement", () =>
  onPostgres(async ({ streams, counts: { statements } }) => {
    await create(streams, "a");
    await append(streams, "a");
    statements.clear();
    await times(1000, async () => {
      const stream = await streams.open("a");
      const page = await streams.page(stream, 0, 1000);
      assert.equal(page.bytes.length, 100);
    });
    const loads = statements.get("load_states")!;
    assert.ok(loads <= 3, `${loads}`);
    assert.equal(statements.get("read_segments"), undefined);
  }));

Deno.test("WAL: at most 330 bytes for an append of 100 alone, and 140 in a group of 500", () =>
  onPostgres(async ({ streams, database }) => {
    await create(streams, "a");
    // Pages are logged whole when they are first changed after a checkpoint: not this time.
    await times(100, () => append(streams, "a"));
    const before = await walPosition(database);
    for (let n = 0; n < 50; n++) await append(streams, "a");
    const alone = (await walPosition(database) - before) / 50;
    assert.ok(alone <= 330, `${alone} bytes of WAL for one append`);

    const middle = await walPosition(database);
    await times(500, () => append(streams, "a"));
    const grouped = (await walPosition(database) - middle) / 500;
    assert.ok(grouped <= 140, `${grouped} bytes of WAL for an append in a group`);
  }));

Deno.test("a page reads the segments it is made of, wherever in the stream it lies", () =>
  onPostgres(async ({ streams, database, counts }) => {
    await create(streams, "a");
    const body = new Uint8Array(1024).fill(0x79);
    for (let n = 0; n < 300; n++) await append(streams, "a", { body });
    const reader = new Streams(database, { report: () => {} });
    const stream = await reader.open("a");
    // A node that has not written them has none of them in memory.
    const { database: counting, counts: uncached } = counted(database);
    const other = new Streams(counting, { report: () => {} });
    const page = await other.page(stream, 100 * 1024 + 500, 64 << 10);
    assert.equal(page.end, 164 * 1024, "it ends where a segment does");
    // One more segment is read ahead for the next page.
    assert.ok(uncached.rows >= 64 && uncached.rows <= 65, `${uncached.rows} rows`);
    assert.equal(uncached.statements.get("read_segments"), undefined);
    assert.equal(counts.rows, 0);
  }));

for (const contentType of [OCTETS, "application/json"]) {
  Deno.test(`a catch-up of ${contentType} loads each segment once, however long they are`, () =>
    onPostgres(async ({ streams, database }) => {
      await create(streams, "a", { contentType });
      // A string of a JSON stream is stored with its end.
      const length = 900_000;
      const body = contentType === OCTETS
        ? new Uint8Array(length)
        : new TextEncoder().encode(JSON.stringify("x".repeat(length - 3)));
      for (let n = 0; n < 24; n++) await append(streams, "a", { body, contentType });
      const { database: counting, counts: uncached } = counted(database);
      const other = new Streams(counting, { report: () => {} });
      const stream = await other.open("a");
      const ends = [];
      for (let at = 0; at < stream.tail;) {
        const page = await other.page(stream, at, 4 << 20);
        ends.push(at = page.end);
        page.release?.();
      }
      const perPage = Math.floor((4 << 20) / length);
      assert.deepEqual(ends, Array.from({ length: 6 }, (_, n) => (n + 1) * perPage * length));
      assert.equal(uncached.rows, 24);
      assert.equal(uncached.statements.get("read_segments"), undefined);
    }));
}

Deno.test("embedded: one fsync a commit, however many appends are in it", async () => {
  const dataDir = fs.mkdtempSync(join(tmpdir(), "penstock-costs-"));
  try {
    await withStreams(await openPglite({ dataDir }), async ({ streams, counts }) => {
      await create(streams, "a");
      await append(streams, "a");
      counts.statements.clear();
      const before = fsyncCount();
      for (let n = 0; n < 20; n++) await append(streams, "a");
      assert.equal(counts.statements.get("commit_append"), 20);
      assert.equal(fsyncCount() - before, 20);
      await times(1000, () => append(streams, "a"));
      assert.ok(fsyncCount() - before <= 22, `${fsyncCount() - before}`);
    });
  } finally {
    fs.rmSync(dataDir, { recursive: true, force: true });
  }
});
