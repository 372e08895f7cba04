/** Opens the configured database: PostgreSQL when a URL is given, else the embedded one. */
import { resolve } from "node:path";
import process from "node:process";
import type { TelemetryEvent } from "../telemetry/events.ts";
import type { Database } from "./database.ts";
import { holdsCluster } from "./pglite/cluster.ts";
import { defaultDataDir } from "./pglite/default_data_dir.ts";
import { openPglite } from "./pglite/pglite.ts";
import { openPostgres } from "./postgres/postgres.ts";
import { parsePostgresUrl } from "./postgres/url.ts";

export interface OpenOptions {
  readonly databaseUrl: string | null;
  readonly databaseConnections: number;
  readonly databaseTimeoutMs: number;
  /** The URL for LISTEN; null when it is the database URL. */
  readonly listenUrl: string | null;
  readonly wakeups: "auto" | "listen" | "poll";
  /** Null: the default data folder of the user. */
  readonly dataDir: string | null;
}

/** Where the database is, as far as the options say. */
export interface DatabasePlace {
  readonly kind: "postgres" | "embedded";
  /** `host:port/name` without user and password, or a folder. */
  readonly place: string;
  /** False where a database would be made first. */
  readonly exists: boolean;
}

/**
 * Asks the disk only: a PostgreSQL counts as existing.
 * @throws NoDataDir
 */
export function findDatabase(
  { databaseUrl, dataDir }: Pick<OpenOptions, "databaseUrl" | "dataDir">,
): DatabasePlace {
  if (databaseUrl !== null) {
    return { kind: "postgres", place: parsePostgresUrl(databaseUrl).place, exists: true };
  }
  const folder = resolve(dataDir ?? defaultDataDir(process.env, process.platform));
  return { kind: "embedded", place: folder, exists: holdsCluster(folder) };
}

/**
 * @param report receives the events of the start
 * @throws DatabaseUnavailable, DatabaseRefused, DataDirBusy, NoDataDir
 */
export function openDatabase(
  options: OpenOptions,
  report: (event: TelemetryEvent) => void,
): Promise<Database> {
  if (options.databaseUrl === null) {
    return openPglite({
      dataDir: options.dataDir ?? defaultDataDir(process.env, process.platform),
      timeoutMs: options.databaseTimeoutMs,
      report,
    });
  }
  return openPostgres({
    url: options.databaseUrl,
    connections: options.databaseConnections,
    timeoutMs: options.databaseTimeoutMs,
    listenUrl: options.listenUrl,
    wakeups: options.wakeups,
    report,
  });
}
