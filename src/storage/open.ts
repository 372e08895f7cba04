/** Which database: PostgreSQL when one is named, else the embedded one in a folder. */
import process from "node:process";
import type { Database } from "./database.ts";
import { defaultDataDir } from "./default_data_dir.ts";
import { openEmbedded } from "./embedded.ts";
import { openPostgres } from "./postgres.ts";

export interface OpenOptions {
  readonly databaseUrl: string | null;
  readonly databaseConnections: number;
  readonly databaseTimeoutMs: number;
  /** Null: the user's own data folder. */
  readonly dataDir: string | null;
}

/** @throws DatabaseUnavailable, DataDirBusy, NoDataDir */
export function openDatabase(options: OpenOptions): Promise<Database> {
  if (options.databaseUrl === null) {
    return openEmbedded({
      dataDir: options.dataDir ?? defaultDataDir(process.env, process.platform),
      timeoutMs: options.databaseTimeoutMs,
    });
  }
  return openPostgres({
    url: options.databaseUrl,
    connections: options.databaseConnections,
    timeoutMs: options.databaseTimeoutMs,
  });
}
