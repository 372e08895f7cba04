/** Data directories for tests of the embedded database: made once, and copied for each test. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, DatabaseUnavailable } from "../../../src/storage/database.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPglite } from "../../../src/storage/pglite/pglite.ts";
import type { TelemetryEvent } from "../../../src/telemetry/events.ts";
import { elapse } from "../../support/waits.ts";

export const root = fs.mkdtempSync(join(tmpdir(), "penstock-embedded-"));
globalThis.addEventListener("unload", () => fs.rmSync(root, { recursive: true, force: true }));

let template: Promise<string> | undefined;

/** A migrated data directory of its own for a test: copied, for making one takes seconds. */
export async function dataDirOf(test: string): Promise<string> {
  template ??= (async () => {
    const dataDir = join(root, "template");
    const database = await openPglite({ dataDir });
    const { applied } = await migrate(database);
    assert(applied.length > 0);
    await database.execute("create table public.notes (number bigint primary key, bytes bytea)");
    await database.close();
    return dataDir;
  })();
  const dataDir = join(root, test);
  fs.cpSync(await template, dataDir, { recursive: true });
  return dataDir;
}

export async function withDatabase(
  test: string,
  body: (database: Database, dataDir: string) => Promise<void>,
  report: (event: TelemetryEvent) => void = () => {},
): Promise<void> {
  const dataDir = await dataDirOf(test);
  const database = await openPglite({ dataDir, report });
  try {
    await body(database, dataDir);
  } finally {
    await database.close();
  }
}

/** Tries again while the database says "not now". */
export async function eventually<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error;
      await elapse(50, "between two attempts");
    }
  }
}
