/** What a load does with dumps that are damaged, with streams that are there, and when it goes on. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Database } from "../../src/storage/database.ts";
import { compress, decompress } from "../../src/transfer/compression.ts";
import { LoadStopped } from "../../src/transfer/load_refusals.ts";
import { loadDump } from "../../src/transfer/load.ts";
import { dumped, emptyDatabase, inPieces, loaded } from "./support.ts";

/** Streams `a0` to `a4` of 90 KB each, made as a node makes them. */
async function fill(database: Database, names = ["a0", "a1", "a2", "a3", "a4"]): Promise<void> {
  for (const [at, name] of names.entries()) {
    await database.query(
      `select from penstock.create_streams(array[$1], array['text/plain'], array[null::bigint],
        array[null::bigint], array[$1], array[0::bigint], array[0], array[90000], array[false], $2)`,
      [name, new Uint8Array(90_000).fill(97 + at)],
    );
  }
}

async function stopped(load: Promise<unknown>): Promise<LoadStopped> {
  const error = await load.then(() => null, (reason) => reason);
  assert(error instanceof LoadStopped, `not refused: ${String(error)}`);
  return error;
}

async function paths(database: Database): Promise<string[]> {
  const rows = await database.query<{ path: string }>(
    "select path from penstock.streams where state <> 'deleted' order by path",
  );
  return rows.map(({ path }) => path);
}

async function orphans(database: Database): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `select
      (select count(*) from penstock.segments g
        where not exists (select from penstock.streams s where s.id = g.stream_id))
      + (select count(*) from penstock.subscription_links l
        where not exists (select from penstock.subscriptions u where u.id = l.subscription_id))
      as count`,
  );
  return row!.count;
}

Deno.test("a dump that was cut off or altered is refused where that is, and a load resumed", async () => {
  await using source = await emptyDatabase();
  await fill(source.database);
  const dump = await dumped(source.database);
  await using target = await emptyDatabase();
  const third = dump.indexOf('"path":"a2"');
  const altered = Buffer.from(dump);
  altered[third + 5000]! ^= 1;
  const first = await stopped(loaded(target.database, altered));
  assert.match(first.message, /checksum of entry 3 is wrong.*2 streams.*up to a1/);
  assert.deepEqual(await paths(target.database), ["a0", "a1"]);
  assert.equal(await orphans(target.database), 0);

  assert.match((await stopped(loaded(target.database, dump))).message, /interrupted.*--resume/);
  const cut = dump.subarray(0, dump.indexOf('"path":"a4"') + 100_000 - 50_000);
  const second = await stopped(loaded(target.database, cut, { resume: true }));
  assert.match(second.message, /ends within entry 5.*2 streams.*up to a3/);
  const report = await loaded(target.database, dump, { resume: true });
  assert.equal(report.loaded, 1);
  assert(dump.equals(await dumped(target.database)));
  assert.match((await stopped(loaded(target.database, dump, { resume: true }))).message, /no load/);
});

Deno.test("every cut and every flipped bit of a dump is refused", async () => {
  await using source = await emptyDatabase();
  await fill(source.database, ["a0", "a1"]);
  // More links than one statement adds, so that some are in the database when the dump ends.
  await source.database.execute(`insert into penstock.subscriptions
      (name, type, lease_ttl_ms, config_hash) values ('s', 'pull-wake', 1000, 'hash');
    insert into penstock.subscription_links (subscription_id, path, explicit, glob, acked)
    select u.id, 'l' || n, true, false, 0 from penstock.subscriptions u, generate_series(1, 6000) n`);
  const dump = await dumped(source.database);
  for (let at = 1; at < 24; at++) {
    await using target = await emptyDatabase();
    const place = Math.floor(dump.length * at / 24);
    const flipped = Buffer.from(dump);
    flipped[place]! ^= 1 << (at % 8);
    await stopped(loaded(target.database, at % 2 === 0 ? flipped : dump.subarray(0, place)));
    assert.equal(await orphans(target.database), 0);
  }
});

Deno.test("streams that are there are kept, replaced or a reason to refuse", async () => {
  await using source = await emptyDatabase();
  await fill(source.database);
  const dump = await dumped(source.database);
  await using target = await emptyDatabase();
  await fill(target.database, ["a1", "b"]);
  const before = await target.database.query("select id from penstock.streams where path = 'a1'");
  assert.match((await stopped(loaded(target.database, dump))).message, /such as a1.*--skip/);
  const skipped = await loaded(target.database, dump, { onExisting: "skip" });
  assert.deepEqual([skipped.loaded, skipped.skipped], [4, 1]);
  const kept = await target.database.query(
    "select id from penstock.streams where path = 'a1' and state <> 'deleted'",
  );
  assert.deepEqual(kept, before);
  const replaced = await loaded(target.database, dump, { onExisting: "replace" });
  assert.deepEqual([replaced.loaded, replaced.replaced, replaced.unchanged], [1, 1, 4]);
  assert.deepEqual(await paths(target.database), ["a0", "a1", "a2", "a3", "a4", "b"]);
});

Deno.test("a new stream gets an id beyond all that the dump's database had given", async () => {
  await using source = await emptyDatabase();
  await fill(source.database);
  const last = async (database: Database) =>
    (await database.query<{ id: number }>("select max(id) as id from penstock.streams"))[0]!.id;
  const given = await last(source.database);
  // The last stream is gone, and its id must not come back.
  await source.database.query("select from penstock.terminate_stream($1, false)", [given]);
  await using target = await emptyDatabase();
  await loaded(target.database, await dumped(source.database));
  await fill(target.database, ["new"]);
  assert.equal(await last(target.database), given + 1);
});

Deno.test("a compressed dump is the same dump, and zstd of another program is named", async () => {
  await using source = await emptyDatabase();
  await fill(source.database);
  const dump = await dumped(source.database);
  const pieces: Uint8Array[] = [];
  for await (const piece of compress(inPieces(dump, 100_003))) pieces.push(piece);
  const packed = Buffer.concat(pieces);
  assert(packed.length < dump.length / 10);
  await using target = await emptyDatabase();
  const options = { onExisting: null, resume: false } as const;
  await loadDump(target.database, decompress(inPieces(packed, 7)), options);
  assert(dump.equals(await dumped(target.database)));
  await using other = await emptyDatabase();
  const cut = packed.subarray(0, packed.length - 3);
  await stopped(loadDump(other.database, decompress(inPieces(cut)), options));
  const foreign = decompress(inPieces(packed.subarray(12)));
  const error = await stopped(loadDump(other.database, foreign, options));
  assert.match(error.message, /another program/);
});
