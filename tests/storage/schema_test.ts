/** The tables that the steps make are those that schema.ts declares, column by column. */
import assert from "node:assert/strict";
import { is } from "drizzle-orm";
import {
  getTableConfig,
  getViewConfig,
  type PgColumn,
  PgDialect,
  PgTable,
  PgView,
} from "drizzle-orm/pg-core";
import { SQL } from "drizzle-orm";
import type { Database } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import * as schema from "../../src/storage/schema.ts";
import { freshDatabase } from "../support/postgres.ts";

/** Tables of the migration itself, which nothing else uses. */
const OF_MIGRATION = ["functions", "migrations"];

async function withDatabase(test: (database: Database) => Promise<void>): Promise<void> {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 2, timeoutMs: 10_000 });
  try {
    await migrate(database);
    await test(database);
  } finally {
    await database.close();
    await drop();
  }
}

interface ColumnShape {
  name: string;
  type: string;
  required: boolean;
  /** Null: none. */
  default: string | null;
}

const tables: readonly PgTable[] = Object.values<unknown>(schema)
  .filter((value): value is PgTable => is(value, PgTable));

/** As PostgreSQL spells what drizzle calls it. */
function typeOf(column: PgColumn): string {
  const type = column.getSQLType();
  if (column.columnType === "PgEnumColumn") return `penstock.${type}`;
  return type;
}

function defaultOf(column: PgColumn): string | null {
  if (column.default === undefined) return null;
  const text = is(column.default, SQL)
    ? new PgDialect().sqlToQuery(column.default).sql
    : String(column.default);
  return column.columnType === "PgEnumColumn" ? `'${text}'::penstock.${column.getSQLType()}` : text;
}

async function columnsOf(database: Database, table: string): Promise<ColumnShape[]> {
  return await database.query<ColumnShape>(
    `select a.attname::text as name,
       format_type(a.atttypid, a.atttypmod)
         || case when c.collname = 'C' then ' collate "C"' else '' end as type,
       a.attnotnull as required, pg_get_expr(d.adbin, d.adrelid) as default
     from pg_attribute a
     left join pg_collation c on c.oid = a.attcollation
     left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = ('penstock.' || $1)::regclass and a.attnum > 0 and not a.attisdropped
     order by a.attnum`,
    [table],
  );
}

Deno.test("schema.ts declares the tables of the database and no others", () =>
  withDatabase(async (database) => {
    const rows = await database.query<{ name: string }>(
      `select relname::text as name from pg_class
       where relnamespace = 'penstock'::regnamespace and relkind = 'r' order by 1`,
    );
    const declared = tables.map((table) => getTableConfig(table).name);
    assert.deepEqual(rows.map(({ name }) => name), [...declared, ...OF_MIGRATION].sort());
  }));

Deno.test("columns, their types, defaults and primary keys are those of schema.ts", () =>
  withDatabase(async (database) => {
    // Without the schema penstock in the path, names of its types are written whole.
    for (const table of tables) {
      const { name, columns, primaryKeys } = getTableConfig(table);
      const found = (await columnsOf(database, name)).map((column) => ({
        ...column,
        type: column.type.replace(/^(stream_state|wake_phase)$/, "penstock.$1"),
        default: column.default?.replace(/::(stream_state|wake_phase)$/, "::penstock.$1") ?? null,
      }));
      const declared = columns.map((column): ColumnShape => ({
        name: column.name,
        type: typeOf(column),
        required: column.notNull,
        default: defaultOf(column),
      }));
      assert.deepEqual(found, declared, name);
      const [key] = await database.query<{ columns: string }>(
        `select string_agg(a.attname, ',' order by k.place) as columns
         from pg_constraint c
         cross join unnest(c.conkey) with ordinality as k(number, place)
         join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.number
         where c.conrelid = ('penstock.' || $1)::regclass and c.contype = 'p'`,
        [name],
      );
      const keyed = primaryKeys[0]?.columns ?? columns.filter((column) => column.primary);
      assert.equal(key?.columns, keyed.map((column) => column.name).join(","), name);
    }
  }));

Deno.test("indexes, and the rows they hold, are those of schema.ts", () =>
  withDatabase(async (database) => {
    const found = await database.query<{ name: string; definition: string }>(
      `select c.relname::text as name, pg_get_indexdef(i.indexrelid) as definition
       from pg_index i join pg_class c on c.oid = i.indexrelid
       where c.relnamespace = 'penstock'::regnamespace and not i.indisprimary order by 1`,
    );
    const dialect = new PgDialect();
    const declared = tables.flatMap((table) => {
      const { name: on, indexes } = getTableConfig(table);
      return indexes.map(({ config }) => {
        const columns = config.columns.map((column) => (column as PgColumn).name).join(", ");
        const where = config.where === undefined ? "" : dialect.sqlToQuery(config.where).sql;
        const { unique, method = "btree" } = config;
        return { name: config.name!, on, columns, unique, method, where };
      });
    });
    assert.deepEqual(
      found.map(({ name }) => name),
      declared.map(({ name }) => name).sort(),
    );
    for (const { name, on, columns, unique, method, where } of declared) {
      const { definition } = found.find((index) => index.name === name)!;
      const head = `CREATE ${unique ? "UNIQUE " : ""}INDEX ${name} ON penstock.${on} ` +
        `USING ${method} (${columns}`;
      assert.ok(definition.startsWith(head), `${definition} is not ${head}`);
      // PostgreSQL adds parentheses and the types of literals, and writes words large.
      const plain = definition.slice(head.length).replace(/^ [a-z_]+_ops/, "").replace(
        / WHERE /,
        "",
      )
        .replace(/::[\w.]+|[()]/g, "").toLowerCase();
      assert.equal(plain, where.replace(/[()]/g, ""), name);
    }
  }));

Deno.test("enums and the view of states are those of schema.ts", () =>
  withDatabase(async (database) => {
    for (const declared of [schema.streamState, schema.wakePhase]) {
      const rows = await database.query<{ value: string }>(
        `select unnest(enum_range(null::penstock.${declared.enumName}))::text as value`,
      );
      assert.deepEqual(rows.map(({ value }) => value), declared.enumValues);
    }
    assert.ok(is(schema.streamStates, PgView));
    const { name, selectedFields } = getViewConfig(schema.streamStates);
    const types = new Map((await columnsOf(database, name)).map(({ name, type }) => [name, type]));
    for (const column of Object.values(selectedFields) as PgColumn[]) {
      assert.equal(types.get(column.name), column.getSQLType(), column.name);
    }
  }));
