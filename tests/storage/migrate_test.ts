/** What a migration does to a database that is new, behind, changed, ahead, or of before 0.2. */
import assert from "node:assert/strict";
import type { Database } from "../../src/storage/database.ts";
import { migrate, SCHEMA, type Schema, SchemaRefused } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../support/postgres.ts";

async function withDatabases(
  test: (one: Database, other: Database) => Promise<void>,
): Promise<void> {
  const { url, drop } = await freshDatabase();
  const open = () => openPostgres({ url, connections: 2, timeoutMs: 10_000 });
  const [one, other] = await Promise.all([open(), open()]);
  try {
    await test(one, other);
  } finally {
    await Promise.all([one.close(), other.close()]);
    await drop();
  }
}

/** What a new database gets. */
const EVERYTHING = [...SCHEMA.steps.map(({ name }) => name), "functions"];

const STEP = { name: "9002_colour", sql: "alter table penstock.streams add colour text;\n" };

/** A function whose text says which version it is of. */
const speaking = (word: string, version: string): Schema => ({
  steps: SCHEMA.steps,
  definitions: [
    ...SCHEMA.definitions,
    `create or replace function penstock.word() returns text language sql return '${word}'`,
  ],
  version,
});

async function word(database: Database): Promise<string> {
  const [row] = await database.query<{ word: string }>("select penstock.word() as word");
  return row!.word;
}

Deno.test("of nodes that start at once, one migrates and the other has nothing left to do", () =>
  withDatabases(async (one, other) => {
    const reports = await Promise.all([migrate(one), migrate(other)]);
    const applied = reports.map((report) => report.applied).sort((a, b) => b.length - a.length);
    assert.deepEqual(applied, [EVERYTHING, []]);
  }));

Deno.test("a step that is missing is applied, and the functions with it", () =>
  withDatabases(async (database) => {
    await migrate(database);
    const next = { ...SCHEMA, steps: [...SCHEMA.steps, STEP] };
    assert.deepEqual((await migrate(database, next)).applied, ["9002_colour", "functions"]);
    assert.deepEqual((await migrate(database, next)).applied, []);
    await database.query("select colour from penstock.streams");
    // The database is newer than this Penstock now.
    await assert.rejects(
      migrate(database),
      (error) => error instanceof SchemaRefused && /9002_colour.*newer version/.test(error.message),
    );
  }));

Deno.test("a step whose text differs from the one applied is refused", () =>
  withDatabases(async (database) => {
    await migrate(database, { ...SCHEMA, steps: [...SCHEMA.steps, STEP] });
    const changed = { ...STEP, sql: STEP.sql.replace("text", "integer") };
    await assert.rejects(
      migrate(database, { ...SCHEMA, steps: [...SCHEMA.steps, changed] }),
      /9002_colour in the database differs/,
    );
  }));

Deno.test("a step that fails leaves nothing behind, the steps before it included", () =>
  withDatabases(async (database) => {
    const broken = { name: "9003_broken", sql: "alter table penstock.nowhere add a text;\n" };
    await assert.rejects(
      migrate(database, { ...SCHEMA, steps: [...SCHEMA.steps, STEP, broken] }),
      /nowhere/,
    );
    assert.deepEqual((await migrate(database)).applied, EVERYTHING);
  }));

Deno.test("functions are replaced when their text changes, and not by an older Penstock", () =>
  withDatabases(async (database) => {
    assert.deepEqual((await migrate(database, speaking("old", "0.9.0"))).applied, EVERYTHING);
    assert.deepEqual((await migrate(database, speaking("old", "0.10.0"))).applied, []);
    assert.deepEqual((await migrate(database, speaking("new", "0.10.0"))).applied, ["functions"]);
    assert.equal(await word(database), "new");
    await assert.rejects(
      migrate(database, speaking("old", "0.9.0")),
      (error) =>
        error instanceof SchemaRefused &&
        /functions of Penstock 0\.10\.0.*newer/.test(error.message),
    );
    assert.equal(await word(database), "new");
  }));

Deno.test("a database of before 0.2 is refused and not changed", () =>
  withDatabases(async (database) => {
    await database.execute(`create schema penstock;
      create table penstock.migrations (index integer primary key, name text not null,
        hash text not null, applied_at timestamptz not null default clock_timestamp());
      insert into penstock.migrations (index, name, hash) values (0, '0000_tables', 'x')`);
    await assert.rejects(
      migrate(database),
      (error) =>
        error instanceof SchemaRefused && /before 0\.2 and cannot be upgraded/.test(error.message),
    );
    const [row] = await database.query<{ tables: number }>(
      "select count(*) as tables from pg_tables where schemaname = 'penstock'",
    );
    assert.equal(row?.tables, 1);
  }));
