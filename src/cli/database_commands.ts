/** Commands that do one thing to a database, and end. */
import type { Database } from "../storage/database.ts";
import { migrate } from "../storage/migrate.ts";
import { findDatabase, openDatabase } from "../storage/open.ts";
import { rotateKeys } from "../subscriptions/key_ring.ts";
import type { Telemetry } from "../telemetry/events.ts";
import type { Config } from "./config.ts";
import { reportSettings } from "./setting_reports.ts";
import { telemetryOf } from "./telemetry.ts";

/** `penstock migrate` */
export async function migrateOnly(config: Config): Promise<void> {
  const { telemetry, database } = await openExisting(config);
  try {
    const { applied } = await migrate(database);
    telemetry.report({ event: "migrated", steps: applied });
  } finally {
    await database.close();
  }
}

/** `penstock keys rotate` */
export async function rotate(config: Config): Promise<void> {
  const { telemetry, database } = await openExisting(config);
  try {
    await migrate(database);
    telemetry.report({ event: "keys_rotated", kids: await rotateKeys(database) });
  } finally {
    await database.close();
  }
}

/** Only `serve` makes a database: here a folder without one is more likely a slip. */
async function openExisting(
  config: Config,
): Promise<{ readonly telemetry: Telemetry; readonly database: Database }> {
  const { telemetry } = telemetryOf(config);
  reportSettings(config, telemetry);
  const { exists, place } = findDatabase(config);
  if (!exists) {
    throw new Error(
      `there is no database in ${place}: name one by --database-url or --data-dir; ` +
        "penstock serve makes one in a folder",
    );
  }
  return { telemetry, database: await openDatabase(config, (event) => telemetry.report(event)) };
}
