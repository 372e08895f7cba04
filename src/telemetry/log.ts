/** Telemetry as a log: sentences on a terminal, JSON lines otherwise. */
import { configureSync, getLogger, type LogRecord, resetSync } from "@logtape/logtape";
import process from "node:process";
import {
  type Level,
  levelOf,
  messageOf,
  sentenceOf,
  type Telemetry,
  type TelemetryEvent,
} from "./events.ts";

export interface LogOptions {
  readonly format: "text" | "json";
  /** The quietest level that is written; `silent` writes nothing. */
  readonly level: Level | "silent";
  /** Of several processes that write to one log, this one; null: the only one. */
  readonly worker: number | null;
}

export function openLog(options: LogOptions): Telemetry {
  const { worker } = options;
  const format = options.format === "json"
    ? (record: LogRecord) => jsonLine(record, worker)
    : (record: LogRecord) => textLine(record, worker);
  resetSync();
  configureSync({
    sinks: { stdout: (record: LogRecord) => process.stdout.write(format(record)) },
    loggers: [
      {
        category: ["penstock"],
        sinks: options.level === "silent" ? [] : ["stdout"],
        lowestLevel: options.level === "silent" ? "fatal" : options.level,
      },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  const logger = getLogger(["penstock"]);
  return {
    report(event) {
      logger[levelOf(event)](sentenceOf(event), { ...event });
    },
  };
}

function textLine(record: LogRecord, worker: number | null): string {
  const time = new Date(record.timestamp).toISOString().slice(11, 23);
  const level = record.level === "info" ? "" : ` ${record.level.toUpperCase()}`;
  const who = worker === null ? "" : ` [${worker}]`;
  return `${time}${who}${level} ${sentence(record)}\n`;
}

function jsonLine(record: LogRecord, worker: number | null): string {
  const { error, ...fields } = record.properties as unknown as TelemetryEvent & { error?: unknown };
  return JSON.stringify({
    time: new Date(record.timestamp).toISOString(),
    level: record.level,
    ...(worker === null ? {} : { worker }),
    message: sentence(record),
    ...fields,
    ...(error === undefined ? {} : { error: messageOf(error) }),
  }) + "\n";
}

/** Not LogTape's own rendering: that one reads `{…}` in a message as a place to fill in. */
function sentence(record: LogRecord): string {
  return sentenceOf(record.properties as unknown as TelemetryEvent);
}
