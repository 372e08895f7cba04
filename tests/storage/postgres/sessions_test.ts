/** The settings of our sessions in PostgreSQL. */
import assert from "node:assert/strict";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../../support/postgres.ts";

Deno.test("PostgreSQL ends a session whose connection is half-open within half a minute", async () => {
  const fresh = await freshDatabase();
  const database = await openPostgres({ url: fresh.url, connections: 1, timeoutMs: 5000 });
  try {
    const [row] = await database.query<{ seconds: number }>(
      `select current_setting('tcp_keepalives_idle')::int + current_setting('tcp_keepalives_count')::int
         * current_setting('tcp_keepalives_interval')::int as seconds`,
    );
    // 0: the system's own, which is two hours and more.
    assert.ok(row!.seconds > 0 && row!.seconds <= 30, `${row!.seconds} s`);
  } finally {
    await database.close();
    await fresh.drop();
  }
});
