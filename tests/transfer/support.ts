/** Dumps and loads of whole databases, in memory. */
import { Buffer } from "node:buffer";
import type { Database } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { dumpDatabase, type DumpOptions } from "../../src/transfer/dump.ts";
import { loadDump, type LoadOptions } from "../../src/transfer/load.ts";
import { freshDatabase } from "../support/postgres.ts";

export async function dumped(
  database: Database,
  options: Partial<DumpOptions> = {},
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  await dumpDatabase(database, {
    prefix: "",
    secrets: false,
    write: (piece) => Promise.resolve(void pieces.push(piece)),
    ...options,
  });
  return Buffer.concat(pieces);
}

/** The dump in pieces of a length that has nothing to do with its lines. */
export async function* inPieces(dump: Uint8Array, length = 65_521): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < dump.length; at += length) yield dump.subarray(at, at + length);
}

export function loaded(database: Database, dump: Uint8Array, options: Partial<LoadOptions> = {}) {
  return loadDump(database, inPieces(dump), { onExisting: null, resume: false, ...options });
}

export interface EmptyDatabase extends AsyncDisposable {
  readonly url: string;
  readonly database: Database;
}

/** A migrated database without streams, which is dropped at the end of the scope. */
export async function emptyDatabase(): Promise<EmptyDatabase> {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 2, timeoutMs: 20_000 });
  await migrate(database);
  return {
    url,
    database,
    async [Symbol.asyncDispose]() {
      await database.close();
      await drop();
    },
  };
}
