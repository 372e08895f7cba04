/** The log as the settings want it. */
import process from "node:process";
import type { Telemetry } from "../telemetry/events.ts";
import { openLog } from "../telemetry/log.ts";
import type { Config } from "./config.ts";
import { workerNumber } from "./supervisor.ts";

/** `readable`: whether a person reads along, on a terminal. */
export function telemetryOf(config: Config): { telemetry: Telemetry; readable: boolean } {
  const text = config.logFormat === "text" ||
    (config.logFormat === "auto" && process.stdout.isTTY === true);
  return {
    telemetry: openLog({
      format: text ? "text" : "json",
      level: config.logLevel,
      worker: workerNumber(),
    }),
    readable: text && config.logLevel !== "silent",
  };
}
