/**
 * Migrates the schema to the version of this executable. Many nodes may start at once: one migrates
 * under an advisory lock while the others wait, and a schema newer than the executable is refused.
 *
 * drizzle's own migrator does not fit: it reads the migrations from the disk, takes no lock, and
 * compares timestamps only.
 */
import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { VERSION } from "../version.ts";
import type { Database, Drizzle } from "./database.ts";
import { DEFINITIONS, type Step, STEPS } from "./sql/definitions.ts";

/** The advisory lock of migrations, `lock_key(0)`: stream ids begin at 1. */
const MIGRATION_LOCK = (20563n << 48n).toString();

/** The database holds a schema this executable must not touch. */
export class SchemaRefused extends Error {
  override name = "SchemaRefused";
}

/** The schema that a database is migrated to. */
export interface Schema {
  readonly steps: readonly Step[];
  /** Functions, views and triggers, each a statement that creates or replaces it. */
  readonly definitions: readonly string[];
  /** Of Penstock: `1.2.3`. */
  readonly version: string;
}

/**
 * What a migration did: the names of the steps it applied, and `functions` if it replaced those.
 */
export interface MigrationReport {
  readonly applied: readonly string[];
}

export const SCHEMA: Schema = { steps: STEPS, definitions: DEFINITIONS, version: VERSION };

/** What a fully migrated database has recorded of its schema. */
export function fingerprint(schema: Schema): { steps: number; functions: string } {
  return { steps: schema.steps.length, functions: hashOf(schema.definitions.join("\n")) };
}

/**
 * Applies the steps that are missing, then all definitions if a step was applied or their text is
 * not what the database has; in one transaction.
 *
 * @throws SchemaRefused when the database was migrated by a newer Penstock, by one whose steps
 * differ from ours, or by one before 0.2
 */
export async function migrate(
  database: Database,
  schema: Schema = SCHEMA,
): Promise<MigrationReport> {
  return await database.transaction(async (transaction) => {
    await transaction.execute(sql.raw(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`));
    await transaction.execute(
      sql.raw("set local search_path = pg_catalog, penstock, pg_temp"),
    );
    await createTables(transaction);
    const pending = schema.steps.slice(await appliedSteps(transaction, schema));
    const applied = pending.map(({ name }) => name);
    for (const step of pending) await applyStep(transaction, step);
    const { functions } = fingerprint(schema);
    if (await functionsDiffer(transaction, schema, functions) || applied.length > 0) {
      await applyDefinitions(transaction, schema, functions);
      applied.push("functions");
    }
    return { applied };
  });
}

/**
 * What `migrate` would do, without doing it: the names of the steps it would apply, and `functions` if
 * it would replace those. `all`: there is no schema yet.
 * @throws SchemaRefused as `migrate` does
 */
export async function pendingMigrations(
  database: Database,
  schema: Schema = SCHEMA,
): Promise<readonly string[] | "all"> {
  return await database.transaction(async (transaction) => {
    const [{ present }] = await transaction.execute(
      sql.raw("select to_regclass('penstock.migrations') is not null as present"),
    ) as unknown as [{ present: boolean }];
    if (!present) return "all";
    await transaction.execute(sql.raw("set local search_path = pg_catalog, penstock, pg_temp"));
    const steps = schema.steps.slice(await appliedSteps(transaction, schema));
    const pending = steps.map(({ name }) => name);
    const { functions } = fingerprint(schema);
    if (await functionsDiffer(transaction, schema, functions)) pending.push("functions");
    return pending;
  });
}

/**
 * Creates the tables that record how far a database is migrated. `hash` is the SHA-256 of the SQL.
 */
async function createTables(transaction: Drizzle): Promise<void> {
  const [{ present }] = await transaction.execute(
    sql.raw("select to_regclass('penstock.migrations') is not null as present"),
  ) as unknown as [{ present: boolean }];
  if (present) return;
  await transaction.execute(sql.raw("create schema if not exists penstock"));
  await transaction.execute(sql.raw(`create table penstock.migrations (
    index integer primary key,
    name text not null,
    hash text not null,
    applied_at timestamptz not null default clock_timestamp()
  )`));
  await transaction.execute(sql.raw(`create table penstock.functions (
    hash text primary key,
    version text not null,
    applied_at timestamptz not null default clock_timestamp()
  )`));
}

/** How many steps the database has, all of them known here. */
async function appliedSteps(transaction: Drizzle, { steps }: Schema): Promise<number> {
  const rows = await transaction.execute(
    sql.raw("select index, name, hash from penstock.migrations order by index"),
  ) as unknown as { index: number; name: string; hash: string }[];
  if (rows[0]?.index === 0) {
    throw new SchemaRefused(
      "the database was made by a Penstock before 0.2 and cannot be upgraded: " +
        "drop the schema penstock, or name another database",
    );
  }
  rows.forEach((row, at) => {
    const known = steps[at];
    if (known === undefined) {
      throw new SchemaRefused(
        `the database holds migration ${row.name}, which this Penstock does not know: ` +
          "it was migrated by a newer version. Run that version or newer",
      );
    }
    if (row.index !== indexOf(known) || row.hash !== hashOf(known.sql)) {
      throw new SchemaRefused(
        `migration ${row.name} in the database differs from ${known.name} in this Penstock`,
      );
    }
  });
  return rows.length;
}

async function applyStep(transaction: Drizzle, step: Step): Promise<void> {
  for (const statement of step.sql.split(/;\n(?:\n|$)/)) {
    if (statement.trim() !== "") await transaction.execute(sql.raw(statement));
  }
  await transaction.execute(sql`insert into penstock.migrations (index, name, hash)
    values (${indexOf(step)}, ${step.name}, ${hashOf(step.sql)})`);
}

/**
 * Whether the database's functions have another text than ours, and ours may replace them. A node
 * that is older than the one that made them must not replace them, because newer nodes call them.
 */
async function functionsDiffer(
  transaction: Drizzle,
  { version }: Schema,
  hash: string,
): Promise<boolean> {
  const [row] = await transaction.execute(
    sql.raw("select hash, version from penstock.functions"),
  ) as unknown as { hash: string; version: string }[];
  if (row === undefined || row.hash === hash) return row === undefined;
  if (isNewer(row.version, version)) {
    throw new SchemaRefused(
      `the database holds the functions of Penstock ${row.version}, and this is ${version}: ` +
        "it was migrated by a newer version. Run that version or newer",
    );
  }
  return true;
}

async function applyDefinitions(
  transaction: Drizzle,
  { definitions, version }: Schema,
  hash: string,
): Promise<void> {
  for (const definition of definitions) await transaction.execute(sql.raw(definition));
  await transaction.execute(sql.raw("delete from penstock.functions"));
  await transaction.execute(
    sql`insert into penstock.functions (hash, version) values (${hash}, ${version})`,
  );
}

/** The number that a step's name begins with. */
function indexOf({ name }: Step): number {
  return Number(name.slice(0, 4));
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Whether `1.10.0` is newer than `1.9.2`; what follows a hyphen does not count. */
function isNewer(version: string, than: string): boolean {
  const numbers = (text: string) => text.split("-")[0]!.split(".").map(Number);
  const [one, other] = [numbers(version), numbers(than)];
  const at = one.findIndex((number, place) => number !== other[place]);
  return at >= 0 && one[at]! > (other[at] ?? 0);
}
