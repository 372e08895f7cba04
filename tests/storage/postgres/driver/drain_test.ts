/** `DriverClient.drain`: an undeclared `close` of postgres.js waits for answers, and for no more. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { withClient } from "./support.ts";

Deno.test("a drained client closes idle connections at once, and busy ones when answered", () =>
  withClient({ connections: 2 }, async (client, url) => {
    const admin = postgres(url, { max: 1, onnotice: () => {} });
    const sessions = async () =>
      (await admin`select state from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() order by state`).map((
        { state },
      ) => state);
    const until = async (expected: readonly string[]) => {
      while (String(await sessions()) !== String(expected));
    };
    try {
      await Promise.all([1, 2].map(() => client.query("select pg_sleep(0.05)", [])));
      await until(["idle", "idle"]);
      const busy = client.query("select 'answered' as what from pg_sleep(1)", []);
      busy.catch(() => {}); // postgres.js sends a statement when its result is asked for
      await until(["active", "idle"]);
      const drained = client.drain();
      await until(["active"]);
      assert.deepEqual([...await busy], [{ what: "answered" }]);
      await drained;
      await until([]);
    } finally {
      await admin.end();
    }
  }));
