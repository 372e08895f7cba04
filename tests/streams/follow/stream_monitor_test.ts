/** What followers know of a stream becomes true, by a poll or by a notification, while it runs. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../../src/storage/database.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import { Hub, type Watch } from "../../../src/streams/follow/hub.ts";
import { StreamMonitor } from "../../../src/streams/follow/stream_monitor.ts";
import { StateLoader } from "../../../src/streams/state_loader.ts";
import { counted } from "../../support/counted_database.ts";
import { freshDatabase } from "../../support/postgres.ts";

const NO_POLL_MS = 1 << 30;

async function withDatabase(test: (database: Database) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const database = await openPostgres({ url, connections: 2, timeoutMs: 10_000 });
  stack.defer(() => database.close());
  await migrate(database);
  await test(database);
}

/** A stream with some bytes, that another node could have written. */
async function createStream(database: Database, path: string): Promise<number> {
  const [row] = await database.query<{ id: number }>(
    `insert into penstock.streams (path, content_type) values ($1, 'text/plain')
      returning id`,
    [path],
  );
  await database.query(
    "insert into penstock.segments (stream_id, position, data) values ($1, 0, $2)",
    [row!.id, new TextEncoder().encode("abc")],
  );
  return row!.id;
}

const changed = (watch: Watch) => new Promise<void>((resolve) => watch.wait(resolve));
const before = { tail: 0, closed: false, ended: false };

Deno.test("a monitor brings followers what changed, by a poll, a notification or a request", () =>
  withDatabase(async (database) => {
    const hub = new Hub();
    const loader = new StateLoader(database);
    const polled = hub.follow(await createStream(database, "polled"), before);
    const polling = new StreamMonitor(hub, loader, 5);
    const byPoll = changed(polled);
    await polling.start();
    await byPoll;
    assert.equal(polled.tail, 3);
    await polling.stop();

    const monitor = new StreamMonitor(hub, loader, NO_POLL_MS);
    await monitor.start();
    const notified = hub.follow(await createStream(database, "notified"), before);
    const byNotification = changed(notified);
    monitor.onNotification([notified.id, 1_000_000]);
    await byNotification;
    assert.equal(notified.tail, 3);

    const requested = hub.follow(await createStream(database, "requested"), before);
    await monitor.reconcile(requested.id);
    assert.equal(requested.tail, 3);
    await monitor.stop();
  }));

Deno.test("a monitor loads nothing before start and after stop, in whatever order they are called", () =>
  withDatabase(async (real) => {
    const { database, counts } = counted(real);
    const hub = new Hub();
    const { id } = hub.follow(await createStream(database, "a"), { ...before, tail: 3 });
    const loads = () => counts.statements.get("changed_streams") ?? 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("start", "stop"), { maxLength: 12 }),
        async (calls) => {
          const monitor = new StreamMonitor(hub, new StateLoader(database), 1);
          await Promise.all(
            calls.map((call) => call === "start" ? monitor.start() : monitor.stop()),
          );
          await monitor.stop();
          const then = loads();
          monitor.onNotification([id]);
          monitor.reconcileAll();
          // Any load would have begun by the time this is answered.
          await database.query("select 1");
          assert.equal(loads(), then);
        },
      ),
      { numRuns: 30 },
    );
  }));
