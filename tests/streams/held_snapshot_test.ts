/**
 * What a commit and a load of states touch while another session holds a snapshot: as much after
 * 100,000 commits as after a hundred. PostgreSQL keeps every row version that the snapshot may see, so
 * an append path that updates a row walks all of them.
 */
import assert from "node:assert/strict";
import postgres from "postgres";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../support/postgres.ts";

const COMMITS = 100_000;
/** A level more of two indexes, and pages begun anew. */
const MORE_BUFFERS = 8;

/** Each in a transaction of its own, as nodes commit; `seq` counts on over the calls. */
const commits = (from: number, count: number) => `
  do $$
  begin
    for n in ${from}..${from + count - 1} loop
      perform penstock.commit_append(1, 0, true, false, false, null, '12345678901234567890');
      commit;
      perform penstock.commit_appends('{2}', '{}', '{2}', array[n::bigint], array[n::bigint], '{f}',
        '{f}', '{null}', '{0}', '{1}', 'x', '{}', '{}', '{}', '{2}', '{p}', '{1}', array[n::bigint],
        '{f}');
      commit;
    end loop;
  end $$`;

const CALLS = {
  "load states": "select * from penstock.load_states('{a,b}')",
  "poll followed streams": "select * from penstock.changed_streams('{1,2}', '{0,0}', '{f,f}')",
  "poll streams that grow": "select * from penstock.grown_streams('{1,2}', '{0,0}', '{f,f}')",
  "load a producer": "select * from penstock.load_producers('{2}', '{p}')",
  commit: "select * from penstock.commit_append(1, 0, true, false, false, null, 'x')",
  "read the last segment": "select * from penstock.read_segments(2, 0, 1, 10)",
} as const;

/** Pages that each call touches, by its name. */
async function buffersOf(sql: postgres.Sql): Promise<Map<string, number>> {
  const touched = new Map<string, number>();
  for (const [name, call] of Object.entries(CALLS)) {
    let fewest = Infinity;
    // The first calls of a session read the catalog.
    for (let n = 0; n < 5; n++) {
      const [row] = await sql.unsafe(`explain (analyze, buffers, format json) ${call}`);
      const [{ Plan: plan }] = row!["QUERY PLAN"];
      fewest = Math.min(fewest, plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]);
    }
    touched.set(name, fewest);
  }
  return touched;
}

Deno.test("commits and loads touch no more pages while a snapshot is held", async () => {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 1, timeoutMs: 10_000 });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const other = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await migrate(database);
    await sql.unsafe("set synchronous_commit = off");
    await sql`insert into penstock.streams (path, content_type)
      values ('a', 'text/plain'), ('b', 'text/plain')`;
    await other.begin("isolation level repeatable read", async (held) => {
      await held`select count(*) from penstock.streams`;
      await sql.unsafe(commits(0, 100));
      const before = await buffersOf(sql);
      await sql.unsafe(commits(100, COMMITS));
      const after = await buffersOf(sql);
      for (const [name, buffers] of after) {
        const limit = before.get(name)! + MORE_BUFFERS;
        assert.ok(buffers <= limit, `${name}: ${before.get(name)} pages, then ${buffers}`);
      }
    });
  } finally {
    await other.end();
    await sql.end();
    await database.close();
    await drop();
  }
});
