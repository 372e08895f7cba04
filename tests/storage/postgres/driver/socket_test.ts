/** The `socket` option of postgres.js: where connections lead, and how they fail. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { settlesWithin } from "../../../../src/lib/timeout.ts";
import { DriverClient } from "../../../../src/storage/postgres/driver/client.ts";
import { parsePostgresUrl, type PostgresHost } from "../../../../src/storage/postgres/url.ts";
import { testDatabaseUrl } from "../../../support/postgres.ts";
import { withClient } from "./support.ts";

Deno.test("a socket that cannot be had fails its statement, and the next one connects", async () => {
  const [host] = parsePostgresUrl(await testDatabaseUrl()).hosts;
  let attempts = 0;
  const find = (): Promise<PostgresHost> =>
    attempts++ === 0 ? Promise.reject(new Error("no primary yet")) : Promise.resolve(host!);
  await withClient({ host: find }, async (client) => {
    await assert.rejects(client.query("select 1 as one", []), /no primary yet/);
    assert.deepEqual([...await client.query("select 1 as one", [])], [{ one: 1 }]);
  });
});

Deno.test("postgres.js never connects again after a promise for a socket that rejects", async () => {
  // When this test fails, `failedSocket` is needed no more.
  let attempts = 0;
  const socket = () => {
    attempts++;
    return Promise.reject(new Error("no primary yet"));
  };
  const sql = postgres(await testDatabaseUrl(), { max: 1, ...({ socket } as object) });
  await assert.rejects(sql`select 1`, /no primary yet/);
  const next = sql`select 1`.execute();
  next.catch(() => {});
  assert.equal(await settlesWithin(next, 1000), false);
  assert.equal(attempts, 1);
  void sql.end({ timeout: 0 });
});

Deno.test("a client that is ended while it connects opens no connection", async () => {
  const url = await testDatabaseUrl();
  const found = Promise.withResolvers<PostgresHost>();
  const asked = Promise.withResolvers<void>();
  const client = new DriverClient({
    url,
    connections: 1,
    timeoutMs: 5000,
    session: { application_name: "ended while it connects" },
    prepares: true,
    primaryOnly: false,
    host: () => {
      asked.resolve();
      return found.promise;
    },
    onConnectionLost: () => {},
  });
  const statement = client.query("select 1", []);
  statement.catch(() => {});
  await asked.promise;
  void client.end();
  found.resolve(parsePostgresUrl(url).hosts[0]!);
  assert.equal(await settlesWithin(statement, 3000), true);
  await assert.rejects(statement);
});
