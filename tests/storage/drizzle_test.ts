/** Built queries have the limits and the errors of all others, and sessions the same path. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eq, sql } from "drizzle-orm";
import postgres from "postgres";
import { type Database, DatabaseUnavailable } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { openPglite } from "../../src/storage/pglite/pglite.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { keys, reconciliation } from "../../src/storage/schema.ts";
import { freshDatabase } from "../support/postgres.ts";

type Test = (database: Database) => Promise<void>;

async function onPostgres(test: Test): Promise<void> {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 2, timeoutMs: 10_000 });
  try {
    await migrate(database);
    await test(database);
  } finally {
    await database.close();
    await drop();
  }
}

async function embedded(test: Test): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), "penstock-drizzle-"));
  const database = await openPglite({ dataDir });
  try {
    await migrate(database);
    await test(database);
  } finally {
    await database.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const KEY = { kid: "k", purpose: "webhook", jwk: "a secret" } as const;

for (const [where, run] of [["PostgreSQL", onPostgres], ["embedded", embedded]] as const) {
  Deno.test(`${where}: built queries map rows, keep parameters out of errors, and search pg_catalog first`, () =>
    run(async (database) => {
      const insert = () => database.typedQuery((drizzle) => drizzle.insert(keys).values(KEY));
      await insert();
      const found = await database.typedQuery((drizzle) =>
        drizzle.select({ secret: keys.jwk, gone: sql<boolean>`${keys.retiredAt} is not null` })
          .from(keys).where(eq(keys.kid, "k"))
      );
      assert.deepEqual(found, [{ secret: "a secret", gone: false }]);
      await assert.rejects(insert(), (error: Error) => {
        assert.match(error.message, /duplicate key/);
        assert.doesNotMatch(`${error.message} ${error.cause}`, /a secret/);
        return true;
      });
      const again = database.transaction((transaction) => transaction.insert(keys).values(KEY));
      await assert.rejects(again, (error: Error) => {
        assert.doesNotMatch(`${error.message} ${error.cause}`, /a secret/);
        return true;
      });
      const failed = database.transaction(async (transaction) => {
        await transaction.delete(keys);
        throw new Error("changed our mind");
      });
      await assert.rejects(failed, /changed our mind/);
      const left = await database.typedQuery((drizzle) => drizzle.select().from(keys));
      assert.equal(left.length, 1, "a transaction that throws is rolled back");

      const [row] = await database.query<{ path: string }>(
        "select replace(current_setting('search_path'), ' ', '') as path",
      );
      assert.equal(row?.path, "pg_catalog,penstock,pg_temp");
    }));
}

Deno.test("a built query that PostgreSQL does not answer in time is unavailable", async () => {
  const { url, drop } = await freshDatabase();
  const holder = postgres(url, { max: 1 });
  const database = await openPostgres({ url, connections: 2, timeoutMs: 700 });
  try {
    await migrate(database);
    await holder.begin(async (transaction) => {
      await transaction`lock table penstock.reconciliation in access exclusive mode`;
      await assert.rejects(
        database.typedQuery((drizzle) => drizzle.select().from(reconciliation)),
        DatabaseUnavailable,
      );
    });
  } finally {
    await holder.end();
    await database.close();
    await drop();
  }
});
