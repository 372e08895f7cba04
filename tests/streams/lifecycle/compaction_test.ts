/** What appends leave behind is compacted, and nobody can tell but by the number of rows. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { Database } from "../../../src/storage/database.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPglite } from "../../../src/storage/pglite/pglite.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import type { AppendRequest } from "../../../src/streams/append/decide.ts";
import { Compaction } from "../../../src/streams/lifecycle/compaction.ts";
import { Streams } from "../../../src/streams/streams.ts";
import { freshDatabase } from "../../support/postgres.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

interface Rig {
  readonly database: Database;
  readonly streams: Streams;
}

async function withStreams(test: (rig: Rig) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const database = await openPostgres({ url, connections: 4, timeoutMs: 10_000 });
  stack.defer(() => database.close());
  await migrate(database);
  await test({ database, streams: new Streams(database, { report: () => {} }) });
}

const create = (streams: Streams, path: string) =>
  streams.create({
    ...{ path, contentType: "text/plain", ttlSeconds: null, expiresAtMs: null, closed: false },
    ...{ body: new Uint8Array(0), fork: null },
  });

async function append(streams: Streams, path: string, parts: Partial<AppendRequest>) {
  const outcome = await streams.append(path, {
    ...{ contentType: "text/plain", body: new Uint8Array(0), closes: false, streamSeq: null },
    ...{ producer: null },
    ...parts,
  });
  assert(outcome.kind === "appended", outcome.kind);
  return outcome;
}

/** All of a stream, by a node that has none of it in memory. */
async function read(database: Database, path: string): Promise<string> {
  const streams = new Streams(database, { report: () => {} });
  const stream = await streams.open(path);
  let text = "";
  for (let at = 0; at < stream.tail;) {
    const page = await streams.page(stream, at, 1 << 20);
    text += textOf(page.bytes);
    at = page.end;
    page.release?.();
  }
  return text;
}

async function count(database: Database, table: string, path: string): Promise<number> {
  const [row] = await database.query<{ rows: number }>(
    `select count(*) as rows from penstock.${table} t
     join penstock.streams s on s.id = t.stream_id where s.path = $1`,
    [path],
  );
  return row!.rows;
}

async function compact(database: Database): Promise<void> {
  // Its second visit finds the stream quiet.
  const compaction = new Compaction(database, { quietMs: 0, pauseMs: 0 });
  for (let turns = 0; turns < 4; turns++) {
    compaction.noteWrites();
    while (await compaction.step());
  }
}

Deno.test("the superseded states of producers are deleted, and the newest are not", () =>
  withStreams(async ({ database, streams }) => {
    await create(streams, "a");
    for (const epoch of [0, 1]) {
      for (let seq = 0; seq < 30; seq++) {
        for (const id of ["p", "q"]) {
          await append(streams, "a", { body: bytesOf("x"), producer: { id, epoch, seq } });
        }
      }
    }
    assert.equal(await count(database, "producers", "a"), 120);
    await compact(database);
    assert.equal(await count(database, "producers", "a"), 2);
    const other = new Streams(database, { report: () => {} });
    const again = { body: bytesOf("x"), producer: { id: "p", epoch: 1, seq: 29 } };
    assert.equal((await append(other, "a", again)).duplicate, true);
    assert.equal(
      (await append(other, "a", { ...again, producer: { id: "p", epoch: 1, seq: 30 } })).duplicate,
      false,
    );
  }));

Deno.test("small segments become large ones; bytes, state and stale nodes go on as before", () =>
  withStreams(async ({ database, streams }) => {
    await create(streams, "a");
    let expected = "";
    for (let n = 0; n < 400; n++) {
      const text = `${n} `.padEnd(n % 7 === 0 ? 900 : 20, ".");
      await append(streams, "a", { body: bytesOf(text), streamSeq: String(n).padStart(4, "0") });
      expected += text;
    }
    const stale = new Streams(database, { report: () => {} });
    await append(stale, "a", { body: bytesOf("stale"), streamSeq: "0500" });
    expected += "stale";
    await append(streams, "a", { body: bytesOf("more"), streamSeq: "0501" });
    expected += "more";
    await compact(database);
    // One for each 64 KiB that were begun, and the newest.
    assert.equal(await count(database, "segments", "a"), Math.ceil(expected.length / 65536) + 1);
    assert.equal(await read(database, "a"), expected);

    const regression = await stale.append("a", {
      ...{ contentType: "text/plain", body: bytesOf("no"), closes: false, producer: null },
      streamSeq: "0501",
    });
    assert.equal(regression.kind, "sequence_regression");
    // At a tail that is a segment's position no longer.
    await append(stale, "a", { body: bytesOf("end"), streamSeq: "0502", closes: true });
    assert.equal(await read(database, "a"), expected + "end");
  }));

Deno.test("appends and reads go on while segments are merged", () =>
  withStreams(async ({ database, streams }) => {
    await create(streams, "a");
    let written = 0;
    let ended = false;
    const writer = (async () => {
      for (let n = 0; n < 600; n++) {
        const { tail } = await append(streams, "a", { body: bytesOf("0123456789".repeat(20)) });
        written = tail;
      }
      ended = true;
    })();
    const compactor = (async () => {
      while (!ended) await compact(database);
    })();
    while (!ended) {
      const acked = written;
      const text = await read(database, "a");
      assert.ok(text.length >= acked, `${text.length} bytes where ${acked} were acked`);
      assert.equal(text, "0123456789".repeat(text.length / 10));
    }
    await Promise.all([writer, compactor]);
    await compact(database);
    // Fewer than 64 small ones are not worth it.
    assert.ok(await count(database, "segments", "a") < 68);
    assert.equal((await read(database, "a")).length, 120_000);
  }));

Deno.test("whatever the segments' lengths, merging in steps of any size leaves bytes as they were", () =>
  withStreams(async ({ database, streams }) => {
    let streamsMade = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            { weight: 5, arbitrary: fc.integer({ min: 1, max: 300 }) },
            { weight: 1, arbitrary: fc.integer({ min: 20_000, max: 140_000 }) },
          ),
          { minLength: 1, maxLength: 40 },
        ),
        fc.integer({ min: 2, max: 50 }),
        fc.boolean(),
        async (lengths, most, quiet) => {
          const path = `s/${streamsMade++}`;
          await create(streams, path);
          let expected = "";
          for (const [at, length] of lengths.entries()) {
            const text = String.fromCharCode(97 + at % 26).repeat(length);
            expected += text;
            await append(streams, path, { body: bytesOf(text), closes: at % 50 === 49 });
          }
          const stream = await streams.open(path);
          for (let from = 0, more = true; more;) {
            const [row] = await database.query<{ next_position: number; more: boolean }>(
              "select * from penstock.merge_segments($1, $2, $3::bigint, $4)",
              [stream.id, from, quiet ? stream.tail : null, most],
            );
            assert.ok(row !== undefined && row.next_position >= from);
            ({ next_position: from, more } = row);
          }
          assert.equal(await read(database, path), expected);
          const after = await new Streams(database, { report: () => {} }).open(path);
          assert.equal(after.tail, stream.tail);
        },
      ),
      { numRuns: 40 },
    );
  }));

const SMALL_APPENDS = 50_000;

/** Rows as single appends of 20 bytes leave them. */
const appendMany = (database: Database, path: string) =>
  database.query(
    `insert into penstock.segments (stream_id, position, data)
     select s.id, 20 * n, convert_to(lpad((n + 1)::text, 20, '.'), 'UTF8')
     from penstock.streams s, generate_series(0, ${SMALL_APPENDS} - 1) as n where s.path = $1`,
    [path],
  );

const EXPECTED = Array.from(
  { length: SMALL_APPENDS },
  (_, n) => String(n + 1).padStart(20, "."),
).join("");

/** The table, its index and its TOAST, for each byte of the streams. */
async function diskPerByte(database: Database): Promise<number> {
  const [row] = await database.query<{ factor: number }>(
    `select pg_total_relation_size('penstock.segments')::float8 / sum(length(data)) as factor
     from penstock.segments`,
  );
  return row!.factor;
}

const onEmbedded = async (test: (rig: Rig) => Promise<void>): Promise<void> => {
  await using stack = new AsyncDisposableStack();
  const dataDir = mkdtempSync(join(tmpdir(), "penstock-compaction-"));
  stack.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const database = await openPglite({ dataDir });
  stack.defer(() => database.close());
  await migrate(database);
  await test({ database, streams: new Streams(database, { report: () => {} }) });
};

for (const [where, withRig] of [["PostgreSQL", withStreams], ["embedded", onEmbedded]] as const) {
  Deno.test(`${where}: the disk of many small appends is what their bytes need, once merged`, () =>
    withRig(async ({ database, streams }) => {
      await create(streams, "a");
      await appendMany(database, "a");
      const before = await diskPerByte(database);
      assert.ok(before > 4, `${before}`);
      await compact(database);
      const after = await diskPerByte(database);
      assert.ok(after < 1.5, `${after} bytes on disk for each`);
      assert.equal(await read(database, "a"), EXPECTED);
      await append(streams, "a", { body: bytesOf("end"), closes: true });
      assert.equal(await read(database, "a"), EXPECTED + "end");
    }));
}

Deno.test("a snapshot that is held sees what it saw, and keeps the room until it ends", () =>
  withStreams(async ({ database, streams }) => {
    await create(streams, "a");
    await appendMany(database, "a");
    const compaction = new Compaction(database, { quietMs: 0, pauseMs: 0 });
    const step = async () => {
      for (let turns = 0; turns < 4; turns++) {
        compaction.noteWrites();
        while (await compaction.step());
      }
    };
    await database.snapshot(async (snapshot) => {
      const look =
        "select count(*) as rows, md5(string_agg(data, ''::bytea order by position)) as hash" +
        " from penstock.segments";
      const [before] = await snapshot.query<{ rows: number; hash: string }>(look);
      assert.equal(before!.rows, SMALL_APPENDS);
      await step();
      const [after] = await snapshot.query(look);
      assert.deepEqual(after, before);
      assert.ok(await count(database, "segments", "a") < 40);
    });
    await step();
    // What was merged meanwhile was written behind all the rest, and once more to leave that place.
    const after = await diskPerByte(database);
    assert.ok(after < 2.5, `${after} bytes on disk for each`);
    assert.equal(await read(database, "a"), EXPECTED);
  }));
