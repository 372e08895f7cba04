/** The cheap poll of followed streams finds what the thorough one does, fallen tails excepted. */
import assert from "node:assert/strict";
import { type Database, numberArray } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../support/postgres.ts";

interface Known {
  id: number;
  tail: number;
  closed: boolean;
}

/** As a follower knows them: each of 30 bytes and open, but for what the name says. */
const STREAMS = [
  "unchanged",
  "grown",
  "closed",
  "closed with bytes",
  "known as closed",
  "deleted",
  "soft-deleted",
  "reaped",
  "expired",
  "to be renewed",
  "fork without segments",
  "empty",
] as const;

async function arrange(database: Database): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  for (const path of STREAMS) {
    const [row] = await database.query<{ id: number }>(
      "insert into penstock.streams (path, content_type) values ($1, 'text/plain') returning id",
      [path],
    );
    known.set(path, { id: row!.id, tail: 30, closed: path === "known as closed" });
  }
  const id = (path: typeof STREAMS[number]) => known.get(path)!.id;
  known.get("empty")!.tail = 0;
  const withBytes = STREAMS.filter((path) => !["fork without segments", "empty"].includes(path));
  await database.execute(`
    insert into penstock.segments (stream_id, position, data)
    select s.id, p.position, '0123456789'
    from penstock.streams s, (values (0), (10), (20)) as p(position)
    where s.id in (${withBytes.map(id).join()});
    insert into penstock.segments (stream_id, position, closed, data) values
      (${id("grown")}, 30, false, 'more'), (${id("closed")}, 30, true, ''),
      (${id("closed with bytes")}, 30, true, 'end'), (${id("known as closed")}, 30, true, '');
    update penstock.streams set state = 'deleted' where id = ${id("deleted")};
    update penstock.streams set state = 'soft_deleted' where id = ${id("soft-deleted")};
    update penstock.streams set expires_at = now() - interval '1 s' where id = ${id("expired")};
    update penstock.streams set ttl_seconds = 10, last_access = now() - interval '2 s'
      where id = ${id("to be renewed")};
    update penstock.streams set source_id = ${id("unchanged")}, fork_position = 30
      where id = ${id("fork without segments")}`);
  return known;
}

async function poll(
  database: Database,
  name: "changed_streams" | "grown_streams",
  known: readonly Known[],
): Promise<unknown[]> {
  const rows = await database.query<{ followed_id: number }>(
    `select followed_id, (stream).* from penstock.${name}($1::bigint[], $2::bigint[],
      $3::boolean[]) order by followed_id`,
    [
      numberArray(known.map(({ id }) => id)),
      numberArray(known.map(({ tail }) => tail)),
      numberArray(known.map(({ closed }) => closed)),
    ],
  );
  return [...rows];
}

Deno.test("the cheap poll finds what the thorough one does", async () => {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const database = await openPostgres({ url, connections: 1, timeoutMs: 10_000 });
  stack.defer(() => database.close());
  await migrate(database);
  const known = await arrange(database);
  const changed = STREAMS.filter((path) =>
    !["unchanged", "known as closed", "reaped", "fork without segments", "empty"].includes(path)
  );
  const all = [...known.values()];
  const found = await poll(database, "grown_streams", all);
  assert.deepEqual(
    found.map((row) => (row as { followed_id: number }).followed_id),
    changed.map((path) => known.get(path)!.id),
  );
  assert.deepEqual(found, await poll(database, "changed_streams", all));
  for (const one of all) {
    assert.deepEqual(
      await poll(database, "grown_streams", [one]),
      await poll(database, "changed_streams", [one]),
    );
  }

  await database.execute(`delete from penstock.streams where path = 'reaped'`);
  const reaped = await poll(database, "grown_streams", all);
  assert.equal(reaped.length, changed.length + 1);
  assert.deepEqual(reaped, await poll(database, "changed_streams", all));

  // More of them than are looked for one by one.
  await database.execute(`insert into penstock.streams (path, content_type)
    select 'many/' || n, 'text/plain' from generate_series(1, 200) n;
    insert into penstock.segments (stream_id, position, data)
    select id, 0, 'x' from penstock.streams where path like 'many/%'`);
  const many = await database.query<Known>(
    "select id, 0 as tail, false as closed from penstock.streams where path like 'many/%'",
  );
  const grown = await poll(database, "grown_streams", many);
  assert.equal(grown.length, 200);
  assert.deepEqual(grown, await poll(database, "changed_streams", many));
});
