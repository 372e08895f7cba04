/**
 * The checks of a PostgreSQL at the start. Penstock refuses a server that it cannot work with, with
 * a message that says what to change, and warns of settings that weaken its guarantees.
 */
import { fingerprint, SCHEMA } from "../migrate.ts";
import type { Product, ServerFacts } from "./facts.ts";

/** PostgreSQL 14. */
const OLDEST = 140_000;

/** The database cannot be used as it is. `message` says what to change. */
export class DatabaseRefused extends Error {
  override name = "DatabaseRefused";
}

export interface Warning {
  /** The name of the PostgreSQL setting that the warning is about. */
  readonly setting: string;
  readonly message: string;
}

export interface Needs {
  /** How many connections this node opens, including the one for LISTEN. */
  readonly connections: number;
}

/**
 * Refuses what only a change by the operator can fix. A standby is not refused here, because it may
 * be promoted.
 * @throws DatabaseRefused
 */
export function refuseUnusable(facts: ServerFacts): void {
  refuseVersion(facts);
  refuseEncoding(facts);
}

/**
 * Refuses what only looks like PostgreSQL, or is too old to be asked further. CockroachDB accepts
 * advisory locks and does nothing for them, and appends of two nodes would not be in order.
 * @throws DatabaseRefused
 */
export function refuseProduct({ banner, versionNumber }: Product): void {
  const other = /\b(CockroachDB|YugabyteDB|-YB-|Redshift|Materialize|RisingWave|CrateDB)/i.exec(
    banner,
  );
  if (other !== null) {
    const name = other[1] === "-YB-" ? "YugabyteDB" : other[1];
    throw new DatabaseRefused(
      `the server is ${name}, whose advisory locks or NOTIFY do not do what Penstock relies on: ` +
        "use PostgreSQL 14 or newer",
    );
  }
  if (versionNumber === null || !/^(PostgreSQL|EnterpriseDB)/.test(banner)) {
    throw new DatabaseRefused(
      `the server says that it is "${banner.slice(0, 60)}": use PostgreSQL 14 or newer`,
    );
  }
  if (versionNumber < OLDEST) {
    const version = /^\S+ (\S+)/.exec(banner)?.[1] ?? String(versionNumber);
    refuseVersion({ version, versionNumber });
  }
}

/** @throws DatabaseRefused */
export function refuseVersion(
  { version, versionNumber }: Pick<ServerFacts, "version" | "versionNumber">,
): void {
  if (versionNumber < OLDEST) {
    throw new DatabaseRefused(`PostgreSQL ${version} is too old: Penstock needs 14 or newer`);
  }
}

/** @throws DatabaseRefused */
export function refuseEncoding(
  { database, encoding }: Pick<ServerFacts, "database" | "encoding">,
): void {
  if (encoding !== "UTF8") {
    throw new DatabaseRefused(
      `the database ${database} has encoding ${encoding}, and Penstock needs UTF8: ` +
        "create one with ENCODING 'UTF8' TEMPLATE template0",
    );
  }
}

/** @throws DatabaseRefused naming what to grant */
export function refuseMissingGrants({ schema, role, database }: ServerFacts): void {
  const grantee = quoted(role);
  const refuse = (lacks: string, grant: string) => {
    throw new DatabaseRefused(`role ${role} ${lacks}: ${grant}`);
  };
  if (!schema.exists) {
    if (schema.mayCreateSchema) return;
    refuse(
      `may not create the schema penstock in database ${database}`,
      `GRANT CREATE ON DATABASE ${quoted(database)} TO ${grantee}, or run penstock migrate as ` +
        "a role that may",
    );
  }
  if (!schema.mayUse) {
    refuse("may not use the schema penstock", `GRANT USAGE ON SCHEMA penstock TO ${grantee}`);
  }
  const { steps, functions } = fingerprint(SCHEMA);
  // A schema that is newer than ours is left to the migration, which refuses it and says why.
  const pending = schema.migrated === null || schema.migrated.steps < steps ||
    (schema.migrated.steps === steps && schema.migrated.functions !== functions);
  if (pending && !schema.mayCreateIn) {
    refuse(
      "may not change the schema penstock, which has to be migrated",
      "run penstock migrate as the schema's owner",
    );
  }
  if (!pending && schema.missing.length > 0) {
    refuse(
      `lacks ${schema.missing.join(", ")}`,
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA penstock TO ${grantee}`,
    );
  }
}

export function warningsOf(facts: ServerFacts, needs: Needs): Warning[] {
  const warnings: Warning[] = [];
  const warn = (setting: string, message: string) => warnings.push({ setting, message });
  if (!facts.fsync) {
    warn("fsync", "fsync is off: a crash of the machine can lose or corrupt what was acked");
  }
  if (!facts.fullPageWrites) {
    warn(
      "full_page_writes",
      "full_page_writes is off: a crash of the machine can corrupt pages, unless the file system " +
        "never tears them",
    );
  }
  if (isLax(facts.synchronousCommit)) {
    warn(
      "synchronous_commit",
      facts.pooled
        ? `synchronous_commit is ${facts.synchronousCommit}, and behind a pooler Penstock cannot ` +
          "set it for its sessions: a crash can lose what was acked. " +
          `ALTER ROLE ${quoted(facts.role)} SET synchronous_commit = on`
        : `synchronous_commit is ${facts.synchronousCommit} by default: Penstock's own sessions ` +
          "turn it on",
    );
  }
  const tight = facts.pooled ? null : tightestLimit(facts);
  if (tight !== null && tight.limit - tight.used < needs.connections) {
    warn(
      tight.setting,
      `this node may open ${needs.connections} connections, and ${tight.words}, of which ` +
        `${tight.used} are in use: requests will wait or get 503. Raise the limit or lower ` +
        "--database-connections",
    );
  }
  return warnings;
}

/** Whether a commit is answered before it is on the disk, or on the synchronous standbys. */
export function isLax(synchronousCommit: string): boolean {
  return synchronousCommit === "off" || synchronousCommit === "local";
}

interface Limit {
  readonly setting: string;
  readonly limit: number;
  readonly used: number;
  readonly words: string;
}

function tightestLimit({ limits, role, database }: ServerFacts): Limit | null {
  const all: Limit[] = [{
    setting: "max_connections",
    limit: limits.server - limits.reserved,
    used: limits.used,
    words: `max_connections is ${limits.server}, ${limits.reserved} of them reserved`,
  }];
  if (limits.role !== null) {
    all.push({
      setting: "rolconnlimit",
      limit: limits.role,
      used: limits.usedByRole,
      words: `role ${role} has CONNECTION LIMIT ${limits.role}`,
    });
  }
  if (limits.database !== null) {
    all.push({
      setting: "datconnlimit",
      limit: limits.database,
      used: limits.usedInDatabase,
      words: `database ${database} has CONNECTION LIMIT ${limits.database}`,
    });
  }
  return all.sort((a, b) => (a.limit - a.used) - (b.limit - b.used))[0] ?? null;
}

function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
