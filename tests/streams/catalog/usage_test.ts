/** The usage of more streams than are counted one by one. */
import assert from "node:assert/strict";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../../support/postgres.ts";

interface Row {
  readonly streams: number;
  readonly bytes: number;
  readonly estimated: boolean;
}

Deno.test("usage beyond what is counted is estimated, and near", async () => {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 1, timeoutMs: 30_000 });
  try {
    await migrate(database);
    await database.execute(`insert into penstock.streams (path, content_type)
      select 't/' || n % 7 || '/' || md5(n::text), 'text/plain' from generate_series(1, 30000) n`);
    await database.execute(`insert into penstock.segments (stream_id, position, data)
      select id, 0, '\\x0102030405060708090a' from penstock.streams`);
    await database.execute("vacuum analyze penstock.streams");
    const usage = async (prefix: string, most: number) => {
      const [row] = await database.query<Row>(
        "select * from penstock.usage($1, $1 || '~', $2)",
        [prefix, most],
      );
      return row!;
    };
    const exact = await usage("t/", 100_000);
    assert.deepEqual(exact, { streams: 30_000, bytes: 300_000, estimated: false });
    for (const [prefix, streams] of [["t/", 30_000], ["t/3", 4285]] as const) {
      const row = await usage(prefix, 1000);
      assert.equal(row.estimated, true);
      assert.ok(Math.abs(row.streams / streams - 1) < 0.2, `${prefix}: ${row.streams}`);
      assert.ok(Math.abs(row.bytes / row.streams - 10) < 0.1, `${prefix}: ${row.bytes}`);
    }
  } finally {
    await database.close();
    await drop();
  }
});
