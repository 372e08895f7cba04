/** What a Penstock's storage takes on disk, in PostgreSQL and embedded. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import type { Storage } from "./fleet.ts";

/** What is on disk, in bytes; of an embedded database only what its files say, whose log is recycled. */
export interface Size {
  readonly rows?: number;
  readonly index?: number;
  readonly disk: number;
  readonly wal?: number;
  readonly segments?: number;
}

/** Asks the database, or the files of an embedded one. */
export async function sizeOf({ database }: Storage): Promise<Size> {
  if ("dataDir" in database) {
    return { disk: folderBytes(database.dataDir, (path) => !path.includes("/pg_wal/")) };
  }
  const sql = postgres(database.url, { max: 1 });
  try {
    const [size] = await sql<{ rows: number; index: number }[]>`
      select sum(pg_table_size(c.oid))::float8 rows, sum(pg_indexes_size(c.oid))::float8 index
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'penstock' and c.relkind = 'r'`;
    const [log] = await sql<{ wal: number }[]>`
      select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 wal`;
    const [count] = await sql<{ segments: number }[]>`
      select count(*)::float8 segments from penstock.segments`;
    const { rows = NaN, index = NaN } = size ?? {};
    const { segments = NaN } = count ?? {};
    return { rows, index, disk: rows + index, wal: log?.wal ?? NaN, segments };
  } finally {
    await sql.end();
  }
}

/** Bytes of the files below a folder whose paths are accepted; files that vanish meanwhile are none. */
function folderBytes(folder: string, accepts: (path: string) => boolean): number {
  let sum = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const path = join(folder, name);
    if (accepts(path)) sum += fileBytes(path);
  }
  return sum;
}

function fileBytes(path: string): number {
  try {
    const found = statSync(path);
    return found.isFile() ? found.size : 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
