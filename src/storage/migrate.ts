/**
 * Brings the schema to what this executable knows. Many nodes may start at once: one migrates
 * under an advisory lock while the others wait, and a schema newer than the executable is refused.
 *
 * drizzle's own migrator reads the disk, takes no lock and compares timestamps only; the SQL files
 * are drizzle-kit's, the applying is ours.
 */
import { sql } from "drizzle-orm";
import type { Database, Drizzle } from "./database.ts";
import { type Migration, MIGRATIONS } from "./migrations.ts";

/** The advisory lock of migrations: stream ids begin at 1, so id 0 of our key space is free. */
const MIGRATION_LOCK = (20563n << 48n).toString();

/** The database holds a schema this executable must not touch. */
export class SchemaRefused extends Error {
  override name = "SchemaRefused";
}

/** What was done: the names of the steps applied now. */
export interface MigrationReport {
  readonly applied: readonly string[];
}

/**
 * @throws SchemaRefused when the database was migrated by a newer Penstock, or by one whose steps
 * differ from ours.
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<MigrationReport> {
  return await database.transaction(async (transaction) => {
    await transaction.execute(sql.raw(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`));
    const pending = migrations.slice(await appliedCount(transaction, migrations));
    for (const migration of pending) {
      for (const statement of migration.sql.split("--> statement-breakpoint")) {
        await transaction.execute(sql.raw(statement));
      }
      await transaction.execute(sql`insert into penstock.migrations (index, name, hash)
        values (${migration.index}, ${migration.name}, ${migration.hash})`);
    }
    return { applied: pending.map((migration) => migration.name) };
  });
}

async function appliedCount(
  transaction: Drizzle,
  migrations: readonly Migration[],
): Promise<number> {
  const present = rowsOf(
    await transaction.execute(sql.raw(
      "select to_regclass('penstock.migrations') is not null as present",
    )),
  )[0]?.present;
  if (present !== true) {
    await transaction.execute(sql.raw("create schema if not exists penstock"));
    await transaction.execute(sql.raw(`create table penstock.migrations (
      index integer primary key,
      name text not null,
      hash text not null,
      applied_at timestamptz not null default clock_timestamp()
    )`));
    return 0;
  }
  const rows = rowsOf(
    await transaction.execute(
      sql.raw("select index, name, hash from penstock.migrations order by index"),
    ),
  );
  rows.forEach((row, at) => {
    const known = migrations[at];
    if (known === undefined) {
      throw new SchemaRefused(
        `the database holds migration ${row.name}, which this Penstock does not know: ` +
          "it was migrated by a newer version. Run that version or newer",
      );
    }
    if (known.index !== Number(row.index) || known.hash !== row.hash) {
      throw new SchemaRefused(
        `migration ${row.name} in the database differs from ${known.name} in this Penstock`,
      );
    }
  });
  return rows.length;
}

/** drizzle hands back the driver's own result: rows for postgres.js, `{ rows }` for PGlite. */
function rowsOf(result: unknown): Record<string, unknown>[] {
  const held = Array.isArray(result) ? result : (result as { rows: unknown[] }).rows;
  return held as Record<string, unknown>[];
}
