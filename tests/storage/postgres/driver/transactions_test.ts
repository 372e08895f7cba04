/** A connection that is lost in the middle of a transaction takes the transaction along, and no more. */
import assert from "node:assert/strict";
import { sql } from "drizzle-orm";
import { DatabaseUnavailable } from "../../../../src/storage/database.ts";
import { openPostgres } from "../../../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../../../support/postgres.ts";
import { Proxy } from "../../../system/proxy.ts";
import { eventually } from "../../../system/support.ts";

Deno.test("a transaction whose connection is cut is rejected, and the next one works", async () => {
  const fresh = await freshDatabase();
  const proxy = await Proxy.start(fresh.url);
  const database = await openPostgres({ url: proxy.url, connections: 2, timeoutMs: 5000 });
  const watching = await openPostgres({ url: fresh.url, connections: 1, timeoutMs: 5000 });
  try {
    const sleeping = database.transaction((transaction) =>
      transaction.execute(sql`select pg_sleep(4), 'cut me'`)
    );
    sleeping.catch(() => {});
    await eventually(3000, "the statement under way", async () => {
      const rows = await watching.query(
        "select 1 from pg_stat_activity where query like '%cut me%' and pid <> pg_backend_pid()",
      );
      return rows.length > 0 || undefined;
    });
    proxy.cut();
    await assert.rejects(sleeping, DatabaseUnavailable);
    // What the driver does too late is done within the turns of the event loop that this takes.
    const answer = await database.transaction((transaction) =>
      transaction.execute(sql`select 1 as one`)
    );
    assert.deepEqual([...answer as unknown as Iterable<unknown>], [{ one: 1 }]);
  } finally {
    await database.close();
    await watching.close();
    proxy.stop();
    await fresh.drop();
  }
});
