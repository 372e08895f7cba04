/** What the log says of the settings before anything is done with them. */
import process from "node:process";
import { findDatabase } from "../storage/open.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { unknownVariables } from "./command_line.ts";
import type { Config } from "./config.ts";

/** @throws NoDataDir where no folder is named and there is no home to put one in */
export function reportSettings(config: Config, telemetry: Telemetry): void {
  for (const unknown of unknownVariables(process.env)) {
    telemetry.report({ event: "unknown_variable", ...unknown });
  }
  const { kind, place } = findDatabase(config);
  telemetry.report({
    event: "database_chosen",
    kind,
    database: place,
    source: config.databaseSource,
    ignored: config.databaseIgnored,
  });
}
