/** `copyOut`: a COPY has its connection to itself, and is read ahead of postgres.js's stream. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { yieldToEventLoop } from "../../../../src/lib/event_loop.ts";
import { type Database, DatabaseUnavailable } from "../../../../src/storage/database.ts";
import { withNumbers } from "../../../../src/storage/postgres/driver/copy_out.ts";
import { CopyRows } from "../../../../src/storage/postgres/driver/copy_rows.ts";
import { openPostgres } from "../../../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../../../support/postgres.ts";

async function withDatabase(test: (database: Database) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const database = await openPostgres({ url, connections: 2, timeoutMs: 4000 });
  stack.defer(() => database.close());
  await test(database);
}

Deno.test("no other statement is sent down a connection that scans", () =>
  withDatabase(async (database) => {
    const one = () => database.query<{ one: number }>("select 1 as one");
    // On both connections, so that it is prepared: then it could follow a statement under way.
    await Promise.all(Array.from({ length: 20 }, one));
    let scanning = true;
    const scans = Promise.all(Array.from({ length: 30 }, () =>
      database.scan(
        `select g::bigint as position, decode(repeat('5c', 300000), 'hex') as data
          from generate_series(1, 4) g`,
        [],
      ))).finally(() => scanning = false);
    // Again and again, so that some come in the middle of a scan.
    const answers: Promise<unknown>[] = [];
    while (scanning) {
      answers.push(one());
      await yieldToEventLoop();
    }
    assert.deepEqual((await scans).map((rows) => rows.length), new Array(30).fill(4));
    await Promise.all(answers);
  }));

Deno.test("a connection that ends within a scan is a database that is not available", () =>
  withDatabase(async (database) => {
    const scan = database.scan(
      `select g::bigint as position, pg_sleep(0.02)::text::bytea as data
        from generate_series(1, 500) g`,
      [],
    );
    const failed = assert.rejects(scan, DatabaseUnavailable);
    let ended = 0;
    while (ended === 0) {
      const rows = await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and query like 'copy %' and state = 'active'`,
      );
      ended = rows.length;
    }
    await failed;
    assert.deepEqual([...await database.query("select 1 as one")], [{ one: 1 }]);
  }));

Deno.test("a COPY gives the same rows, whatever the sizes of its chunks", () => {
  const signature = [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00];
  const row = [0, 2, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 7, 8, 9];
  const whole = Uint8Array.from([...signature, ...new Array(8).fill(0), ...row, ...row, 255, 255]);
  fc.assert(fc.property(fc.integer({ min: 1, max: whole.length }), (size) => {
    const rows = new CopyRows();
    for (let at = 0; at < whole.length; at += size) rows.add(whole.subarray(at, at + size));
    const expected = { position: 2 ** 32 + 2, data: Uint8Array.of(7, 8, 9) };
    assert.deepEqual(rows.rows(), [expected, expected]);
  }));
  const broken = new CopyRows();
  broken.add(whole.subarray(0, 30));
  assert.throws(() => broken.rows(), RangeError);
});

Deno.test("only whole numbers stand in a statement's text", () => {
  assert.equal(withNumbers("$1 and $2, $1", [5, -7]), "5 and -7, 5");
  for (const bad of [1.5, NaN, Infinity, "1; drop table x" as unknown as number]) {
    assert.throws(() => withNumbers("$1", [bad]), RangeError);
  }
  assert.throws(() => withNumbers("$2", [1]), RangeError);
});
