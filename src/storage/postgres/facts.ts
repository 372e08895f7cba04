/** The facts about a PostgreSQL and our role in it, which are queried once at the start. */
import type postgres from "postgres";
import { greetedProcessId } from "./driver/greeting.ts";

export interface ServerFacts {
  /** `18.4`. */
  readonly version: string;
  /** 180004. */
  readonly versionNumber: number;
  readonly database: string;
  readonly role: string;
  readonly superuser: boolean;
  readonly encoding: string;
  /** Whether it is a standby, or is still being restored. */
  readonly recovering: boolean;
  /** Whether sessions of this role begin read-only. */
  readonly readOnly: boolean;
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  /** The default of this role's sessions. */
  readonly synchronousCommit: string;
  readonly limits: ConnectionLimits;
  readonly schema: SchemaFacts;
  /** Whether the connection leads to a pooler in front of the server. */
  readonly pooled: boolean;
}

/**
 * Limits are null where there is none. Counts are of current client connections except this one.
 */
export interface ConnectionLimits {
  readonly server: number;
  /** How many of those are reserved for superusers and roles that are not ours. */
  readonly reserved: number;
  readonly used: number;
  readonly role: number | null;
  readonly usedByRole: number;
  readonly database: number | null;
  readonly usedInDatabase: number;
}

export interface SchemaFacts {
  readonly exists: boolean;
  /** Whether the role may create schemas in this database. */
  readonly mayCreateSchema: boolean;
  readonly mayUse: boolean;
  readonly mayCreateIn: boolean;
  /** The privileges that the role lacks: `INSERT on penstock.streams`. */
  readonly missing: readonly string[];
  /**
   * How far the schema is migrated; null when the tables with it do not exist or cannot be read.
   */
  readonly migrated: { readonly steps: number; readonly functions: string } | null;
}

interface ServerRow {
  pid: number;
  version: string;
  version_number: number;
  database: string;
  role: string;
  superuser: boolean;
  encoding: string;
  recovering: boolean;
  read_only: boolean;
  fsync: boolean;
  full_page_writes: boolean;
  synchronous_commit: string;
  max_connections: number;
  reserved: number;
  used: number;
  role_limit: number;
  used_by_role: number;
  database_limit: number;
  used_in_database: number;
  schema_exists: boolean;
  may_create_schema: boolean;
}

// reserved_connections is new in PostgreSQL 16. Of other roles' sessions an unprivileged role sees
// little more than their role and database.
const SERVER = `
with sessions as (
  select usesysid, datid from pg_catalog.pg_stat_activity
  where usesysid is not null and pid <> pg_backend_pid()
)
select
  pg_backend_pid() as pid,
  split_part(current_setting('server_version'), ' ', 1) as version,
  current_setting('server_version_num')::int as version_number,
  d.datname as database,
  r.rolname as role,
  r.rolsuper as superuser,
  pg_encoding_to_char(d.encoding) as encoding,
  pg_is_in_recovery() as recovering,
  current_setting('default_transaction_read_only')::boolean as read_only,
  current_setting('fsync')::boolean as fsync,
  current_setting('full_page_writes')::boolean as full_page_writes,
  current_setting('synchronous_commit') as synchronous_commit,
  current_setting('max_connections')::int as max_connections,
  current_setting('superuser_reserved_connections')::int
    + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
  (select count(*)::int from sessions) as used,
  r.rolconnlimit as role_limit,
  (select count(*)::int from sessions where usesysid = r.oid) as used_by_role,
  d.datconnlimit as database_limit,
  (select count(*)::int from sessions where datid = d.oid) as used_in_database,
  exists (select from pg_catalog.pg_namespace where nspname = 'penstock') as schema_exists,
  has_database_privilege(d.oid, 'CREATE') as may_create_schema
from pg_catalog.pg_database d, pg_catalog.pg_roles r
where d.datname = current_database() and r.rolname = current_user`;

const SCHEMA = `
select
  has_schema_privilege('penstock', 'USAGE') as may_use,
  has_schema_privilege('penstock', 'CREATE') as may_create_in,
  has_schema_privilege('penstock', 'USAGE') and
    coalesce(has_table_privilege(to_regclass('penstock.migrations'), 'SELECT'), false) and
    coalesce(has_table_privilege(to_regclass('penstock.functions'), 'SELECT'), false)
    as may_read_migrations,
  array_to_json(array(
    select privilege || ' on penstock.' || c.relname
    from pg_catalog.pg_class c,
      unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) as privilege
    where c.relnamespace = 'penstock'::regnamespace and c.relkind in ('r', 'p', 'v')
      and not has_table_privilege(c.oid, privilege)
      and (privilege = 'SELECT' or c.relkind <> 'v') and c.relname not in ('migrations', 'functions')
    order by c.relname, privilege
  ))::text as missing`;

const MIGRATED = `
select (select count(*)::int from penstock.migrations) as steps, f.hash as functions
from penstock.functions f`;

interface SchemaRow {
  may_use: boolean;
  may_create_in: boolean;
  may_read_migrations: boolean;
  missing: string;
}

/** What answers by PostgreSQL's protocol, before anything is asked that others may not know. */
export interface Product {
  /** `PostgreSQL 18.4 on x86_64-pc-linux-gnu, …`, `CockroachDB CCL v24.1.0 (…)`. */
  readonly banner: string;
  /** As the server claims it; null where it claims none. */
  readonly versionNumber: number | null;
}

export async function askProduct(client: postgres.Sql): Promise<Product> {
  const [row] = await client.unsafe<{ banner: string; number: string | null }[]>(
    "select version() as banner, current_setting('server_version_num', true) as number",
  );
  const number = Number(row?.number ?? NaN);
  return { banner: row?.banner ?? "", versionNumber: Number.isInteger(number) ? number : null };
}

/** @param client has one connection, with a `DEFAULT_SESSION` */
export async function askFacts(client: postgres.Sql): Promise<ServerFacts> {
  const rows = await client.unsafe<ServerRow[]>(SERVER);
  const row = rows[0]!;
  return {
    version: row.version,
    versionNumber: row.version_number,
    database: row.database,
    role: row.role,
    superuser: row.superuser,
    encoding: row.encoding,
    recovering: row.recovering,
    readOnly: row.read_only,
    fsync: row.fsync,
    fullPageWrites: row.full_page_writes,
    synchronousCommit: row.synchronous_commit,
    limits: {
      server: row.max_connections,
      reserved: row.superuser ? 0 : row.reserved,
      used: row.used,
      // The limit of a role does not apply to superusers.
      role: row.role_limit < 0 || row.superuser ? null : row.role_limit,
      usedByRole: row.used_by_role,
      database: row.database_limit < 0 || row.superuser ? null : row.database_limit,
      usedInDatabase: row.used_in_database,
    },
    schema: await askSchema(client, row),
    pooled: greetedProcessId(rows) !== row.pid,
  };
}

async function askSchema(client: postgres.Sql, server: ServerRow): Promise<SchemaFacts> {
  const known = { exists: server.schema_exists, mayCreateSchema: server.may_create_schema };
  if (!server.schema_exists) {
    return { ...known, mayUse: true, mayCreateIn: true, missing: [], migrated: null };
  }
  const row = (await client.unsafe<SchemaRow[]>(SCHEMA))[0]!;
  const [migrated] = row.may_read_migrations
    ? await client.unsafe<{ steps: number; functions: string }[]>(MIGRATED)
    : [];
  return {
    ...known,
    mayUse: row.may_use,
    mayCreateIn: row.may_create_in,
    missing: JSON.parse(row.missing) as string[],
    migrated: migrated === undefined ? null : { ...migrated },
  };
}

/** Why nothing can be written here, or null. */
export function readOnlyReason(
  { recovering, readOnly }: Pick<ServerFacts, "recovering" | "readOnly">,
): string | null {
  if (recovering) return "it is a standby in recovery, which is read-only: name the primary";
  if (readOnly) return "default_transaction_read_only is on for this role or database: turn it off";
  return null;
}
