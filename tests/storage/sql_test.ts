/** The functions of the database: one per file, inlined where needed, independent of other schemas. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { DEFINITIONS, STEPS } from "../../src/storage/sql/definitions.ts";
import { freshDatabase } from "../support/postgres.ts";

const FOLDER = join(import.meta.dirname!, "../../src/storage/sql");

interface SqlFile {
  readonly name: string;
  readonly text: string;
}

function filesOf(folder: string): SqlFile[] {
  return readdirSync(join(FOLDER, folder)).sort().map((file) => ({
    name: file.replace(/\.sql$/, ""),
    text: readFileSync(join(FOLDER, folder, file), "utf8"),
  }));
}

async function withDatabase(test: (sql: postgres.Sql, url: string) => Promise<void>) {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 1, timeoutMs: 10_000 });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await migrate(database);
    await test(sql, url);
  } finally {
    await sql.end();
    await database.close();
    await drop();
  }
}

Deno.test("every SQL file is applied, holds one object of its name, and says what it promises", () => {
  const kinds = { functions: "function", views: "view", triggers: "trigger" };
  const applied = new Set(DEFINITIONS);
  let count = 0;
  for (const [folder, kind] of Object.entries(kinds)) {
    for (const { name, text } of filesOf(folder)) {
      count++;
      assert.ok(applied.has(text), `${name} is not among the definitions`);
      assert.match(text, /^-- /, `${name} begins with a comment`);
      assert.equal(text.match(/^create /gm)?.length, 1, name);
      const created = new RegExp(`^create or replace ${kind} (penstock\\.)?${name}\\b`, "m");
      assert.match(text, created);
      assert.deepEqual(text.split("\n").filter((line) => line.length > 100), [], name);
    }
  }
  assert.equal(count, DEFINITIONS.length);
  const steps = filesOf("steps");
  assert.deepEqual(steps.map(({ name }) => name), STEPS.map(({ name }) => name));
  steps.forEach(({ name }, at) => assert.equal(Number(name.slice(0, 4)), at + 1));
});

Deno.test("every function fixes what its names mean, and is made once", () =>
  withDatabase(async (sql) => {
    const rows = await sql<
      { name: string; language: string; parsed: boolean; settings: string[] }[]
    >`
      select p.proname as name, l.lanname as language, p.prosqlbody is not null as parsed,
        coalesce(p.proconfig, '{}') as settings
      from pg_proc p join pg_language l on l.oid = p.prolang
      where p.pronamespace = 'penstock'::regnamespace order by 1`;
    assert.deepEqual(
      rows.map(({ name }) => name),
      filesOf("functions").map(({ name }) => name),
      "no overloads, and none that a file does not hold",
    );
    for (const { name, language, parsed, settings } of rows) {
      // The body of an SQL function is parsed when it is made, and its names mean then what they mean
      // ever after. A setting would keep it from being inlined.
      if (language === "sql") assert.ok(parsed, `${name} is not parsed`);
      else assert.ok(settings.includes("search_path=pg_catalog, penstock, pg_temp"), name);
    }
  }));

Deno.test("the rule of expiry is inlined: an update goes by the primary key and calls no function", () =>
  withDatabase(async (sql) => {
    await sql`insert into penstock.streams (path, content_type)
      select 'p/' || n, 'text/plain' from generate_series(1, 2000) n`;
    await sql`analyze penstock.streams`;
    const plan = async (query: string) =>
      (await sql.unsafe(`explain (verbose) ${query}`)).map((row) => row["QUERY PLAN"]).join("\n");
    const inlined = await plan(`update penstock.streams s
      set last_access = clock_timestamp()
      where s.id = 7 and s.state = 'active'
        and not penstock.is_expired(s.expires_at, s.last_access, s.ttl_seconds)`);
    assert.match(inlined, /Index Scan using streams_pkey/);
    assert.match(inlined, /statement_timestamp\(\)/);
    assert.doesNotMatch(inlined, /is_expired/);
    const costOf = (text: string) => /cost=\S+/.exec(text)![0];
    const spelt = await plan(`update penstock.streams s
      set last_access = clock_timestamp()
      where s.id = 7 and s.state = 'active' and not (
        coalesce(s.expires_at <= statement_timestamp(), false) or coalesce(s.last_access
          + make_interval(secs => s.ttl_seconds * 1.1::float8) <= statement_timestamp(), false))`);
    assert.equal(costOf(inlined), costOf(spelt));

    const view = await plan(
      "select * from penstock.stream_states where path = any ('{p/7}') and state <> 'deleted'",
    );
    assert.match(view, /Index Scan using streams_path/);
    assert.doesNotMatch(view, /is_expired|needs_renewal/);
    const candidates = await plan(`select id from penstock.stream_states where state = 'active'
      and expired and (ttl_seconds is not null or expires_at_ms is not null) order by id limit 100`);
    assert.doesNotMatch(candidates, /is_expired/);
  }));

/** What another role may put into `public`, all of it a better match than PostgreSQL's own. */
const HOSTILE = `
  create function public.trap() returns boolean language plpgsql as
    $$ begin raise exception 'a function of public was called'; end $$;
  create function public.clock_timestamp() returns timestamptz language plpgsql as
    $$ begin raise exception 'a function of public was called'; end $$;
  create function public.statement_timestamp() returns timestamptz language plpgsql as
    $$ begin raise exception 'a function of public was called'; end $$;
  create function public.to_timestamp(numeric) returns timestamptz language plpgsql as
    $$ begin raise exception 'a function of public was called'; end $$;
  create function public.pg_advisory_xact_lock(bigint) returns void language plpgsql as
    $$ begin raise exception 'a function of public was called'; end $$;
  create function public.times(bigint, double precision) returns double precision
    language plpgsql as
    $$ begin raise exception 'a function of public was called'; end $$;
  create function public.same(bigint, bigint) returns boolean language plpgsql as
    $$ begin raise exception 'a function of public was called'; end $$;
  create operator public.* (leftarg = bigint, rightarg = double precision,
    function = public.times);
  create operator public.= (leftarg = bigint, rightarg = bigint, function = public.same);`;

Deno.test("what another role puts into public is never called, whatever the session's path", () =>
  withDatabase(async (sql) => {
    await sql.unsafe("create role trespasser; grant create, usage on schema public to trespasser");
    try {
      await sql.begin(async (own) => {
        await own.unsafe(`set local role trespasser; ${HOSTILE}`);
      });
      await sql.unsafe("set search_path = public, pg_catalog, penstock");
      // The traps work: this is what a function without a path of its own would call.
      for (
        const call of ["clock_timestamp()", "1::bigint = 1::bigint", "to_timestamp(1::numeric)"]
      ) {
        await assert.rejects(sql.unsafe(`select ${call}`), /of public was called/);
      }
      const [created] = await sql.unsafe(`select (stream).* from penstock.create_streams('{a}',
        '{text/plain}', '{60}', '{${
        Date.now() + 60_000
      }}', '{a}', '{0}', '{0}', '{1}', '{f}', 'x', '{null}')`);
      const { id, tail } = created as unknown as Record<string, string>;
      const refused = await sql.unsafe(
        `select * from penstock.commit_append(${id}, ${tail}, false, true, false, null, 'y')`,
      );
      assert.equal(refused.length, 0);
      const stale = await sql.unsafe(
        `select * from penstock.commit_append(${id}, ${tail}, false, true, false, null, 'z')`,
      );
      assert.deepEqual(stale.map(({ rebased }) => rebased), [false]);
      const moved = await sql.unsafe(
        `select * from penstock.commit_append(${id}, ${tail}, true, true, false, null, 'z')`,
      );
      assert.deepEqual(moved.map(({ rebased }) => rebased), [true]);
      await sql.unsafe(`select * from penstock.load_producers('{${id}}', '{p}')`);
      const [state] = await sql.unsafe("select * from penstock.load_states('{a}')");
      assert.equal(state!.expired, false);
      await sql.unsafe(`select penstock.renew_ttls('{${id}}')`);
      await sql.unsafe("select * from penstock.stream_states");
      await sql.unsafe(`select * from penstock.changed_streams('{${id}}', '{0}', '{f}')`);
      await sql.unsafe(`select * from penstock.read_segments(${id}, 0, 2, 10)`);
      await sql.unsafe(
        `select * from penstock.create_subscription('s', 'pull-wake', null, null, null,
        null, null, 'wakes', 1000, null, 'hash', '{a}')`,
      );
      await sql.unsafe(`select * from penstock.issue_wakes('{${id}}')`);
      await sql.unsafe("select * from penstock.claim_wake('s', 'worker')");
      await sql.unsafe("select * from penstock.reconcile_links(100, 0, true)");
      await sql.unsafe("select * from penstock.take_due(10)");
      const [ended] = await sql.unsafe(`select * from penstock.terminate_stream(${id}, false)`);
      assert.equal(ended!.outcome, "deleted");
    } finally {
      await sql.unsafe(
        "set search_path = pg_catalog; drop owned by trespasser; drop role trespasser",
      );
    }
  }));
