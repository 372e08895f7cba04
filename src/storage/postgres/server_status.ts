/** The status of a server, by which the primary is found. */
import { withTimeout } from "../../lib/timeout.ts";
import { DatabaseUnavailable } from "../database.ts";
import type { DriverClient } from "./driver/client.ts";
import { readOnlyReason } from "./facts.ts";

export interface ServerStatus {
  /** Why the server cannot be written to; null when it can. */
  readonly readOnly: string | null;
  /** PostgreSQL begins a new timeline with every promotion. Null: the server does not give it. */
  readonly timeline: number | null;
}

const ROLE = `
  pg_is_in_recovery() as recovering,
  current_setting('default_transaction_read_only')::boolean as read_only`;
// The first eight digits of a WAL segment's name are its timeline.
const TIMELINE = `
  case when pg_is_in_recovery() then null
    else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end as timeline`;

interface RoleRow {
  recovering: boolean;
  read_only: boolean;
  timeline: number | null;
}

/**
 * Other databases that speak PostgreSQL's protocol may have no WAL, or not let the role query it.
 */
const NO_TIMELINE = new Set(["0A000", "42883", "42501"]);

/**
 * Queries the status of a server, and ends the client.
 * @param client has one connection
 * @throws the connection's error, or DatabaseUnavailable after `timeoutMs`
 */
export async function askStatus(client: DriverClient, timeoutMs: number): Promise<ServerStatus> {
  try {
    const [row] = await withTimeout(
      askRole(client),
      timeoutMs,
      () => new DatabaseUnavailable(`no answer within ${timeoutMs} ms`),
    );
    const { recovering, read_only: readOnly, timeline } = row!;
    return { readOnly: readOnlyReason({ recovering, readOnly }), timeline };
  } finally {
    client.end().catch(() => {});
  }
}

async function askRole({ sql }: DriverClient): Promise<RoleRow[]> {
  try {
    return await sql.unsafe<RoleRow[]>(`select ${ROLE}, ${TIMELINE}`);
  } catch (error) {
    if (!NO_TIMELINE.has(String((error as { code?: unknown }).code))) throw error;
    return await sql.unsafe<RoleRow[]>(`select ${ROLE}, null::int as timeline`);
  }
}
