import assert from "node:assert/strict";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { StateLoader } from "../../src/streams/state_loader.ts";
import { Streams } from "../../src/streams/streams.ts";
import { freshDatabase } from "../support/postgres.ts";

Deno.test("a read does not get a stream that expires between its load and its renewal", async () => {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 2, timeoutMs: 10_000 });
  try {
    await migrate(database);
    const streams = new Streams(database, { report: () => {} });
    await streams.create({
      ...{ path: "a", contentType: "text/plain", ttlSeconds: 100, expiresAtMs: null },
      ...{ closed: false, body: new Uint8Array(0), fork: null },
    });
    const unusedFor = (seconds: number) =>
      database.execute(
        `update penstock.streams set last_access = clock_timestamp() - interval '${seconds} s'`,
      );
    await unusedFor(50);
    const slow = new Proxy(database, {
      get(target, name) {
        const value = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return async (...given: unknown[]) => {
          if (name === "hedged" && String(given[0]).includes("penstock.renew_ttls")) {
            await unusedFor(120);
          }
          return await value.apply(target, given);
        };
      },
    });
    const read = await new StateLoader(slow).loadForRead("a");
    assert.ok(read === null || read.expired);

    await unusedFor(50);
    assert.equal((await new StateLoader(database).loadForRead("a"))?.expired, false);
    assert.equal(
      (await new StateLoader(database).load("a"))?.ttlRenewalDue,
      false,
      "it was renewed",
    );
  } finally {
    await database.close();
    await drop();
  }
});
