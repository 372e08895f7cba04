import assert from "node:assert/strict";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { sweep } from "../../../src/streams/lifecycle/sweep.ts";
import { Streams } from "../../../src/streams/streams.ts";
import { freshDatabase } from "../../support/postgres.ts";

Deno.test("the sweep passes by streams that cannot be terminated, and says why", async () => {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 4, timeoutMs: 20_000 });
  try {
    await migrate(database);
    const streams = new Streams(database, { report: () => {} });
    await Promise.all(
      Array.from({ length: 150 }, (_, number) =>
        streams.create({
          ...{ path: `s${number}`, contentType: "text/plain", ttlSeconds: null },
          ...{ expiresAtMs: Date.now() - 1000, closed: false, body: new Uint8Array(0), fork: null },
        })),
    );
    // The first hundred cannot be terminated: more than one step takes up.
    const [{ last }] = await database.query<{ last: number }>(
      "select max(id) as last from (select id from penstock.streams order by id limit 100) first",
    ) as [{ last: number }];
    await database.execute(`
      create function public.fail() returns trigger language plpgsql as $$
      begin raise 'not this one'; end $$;
      create trigger fail before update on penstock.streams for each row
        when (old.id <= ${last}) execute function public.fail();`);
    const first = await sweep(database);
    assert.deepEqual([first.ended.length, first.failures.length, first.more], [0, 100, true]);
    assert.match(String(first.failures[0]), /not this one/);
    const second = await sweep(database, first.lastId);
    assert.deepEqual([second.ended.length, second.failures.length, second.lastId], [50, 0, 0]);
  } finally {
    await database.close();
    await drop();
  }
});
