/** Telemetry as a log: sentences on a terminal, JSON lines otherwise. */
import { configureSync, getLogger, type LogRecord, resetSync } from "@logtape/logtape";
import process from "node:process";
import { type Level, levelOf, sentenceOf } from "./describe.ts";
import type { Telemetry, TelemetryEvent } from "./events.ts";
import { messageOf, redact } from "./redact.ts";

/** How an event becomes a line. */
export interface LineOptions {
  readonly format: "text" | "json";
  /** Of several processes that write to one log, this one; null: the only one. */
  readonly worker: number | null;
}

export interface LogOptions extends LineOptions {
  /** The lowest level that is written; `silent` writes nothing. */
  readonly level: Level | "silent";
}

type Formatter = (event: TelemetryEvent, time: Date) => string;

export function openLog(options: LogOptions): Telemetry {
  const format = formatterOf(options);
  const write = ({ properties, timestamp }: LogRecord) =>
    process.stdout.write(format(properties as unknown as TelemetryEvent, new Date(timestamp)));
  resetSync();
  configureSync({
    sinks: { stdout: write },
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
      logger[levelOf(event)](event.event, { ...event });
    },
  };
}

/** Says on standard error, whatever the level of the log, why the process ends. */
export function reportFatal(event: TelemetryEvent, options: LineOptions): void {
  process.stderr.write(formatterOf(options)(event, new Date()));
}

/** Makes one line of each event; it ends in a newline and holds no other control character. */
export function formatterOf({ format, worker }: LineOptions): Formatter {
  return format === "json"
    ? (event, time) => jsonLine(event, time, worker)
    : (event, time) => textLine(event, time, worker);
}

function textLine(event: TelemetryEvent, time: Date, worker: number | null): string {
  const level = levelOf(event);
  const shown = level === "info" ? "" : ` ${level.toUpperCase()}`;
  const number = worker === null ? "" : ` [${worker}]`;
  const sentence = escapeControls(redact(sentenceOf(event)));
  return `${time.toISOString().slice(11, 23)}${number}${shown} ${sentence}\n`;
}

function jsonLine(event: TelemetryEvent, time: Date, worker: number | null): string {
  const { error, ...fields } = event as TelemetryEvent & { error?: unknown };
  const line = {
    time: time.toISOString(),
    level: levelOf(event),
    ...(worker === null ? {} : { worker }),
    message: sentenceOf(event),
    ...fields,
    ...(error === undefined ? {} : { error: messageOf(error) }),
  };
  const secretless = (_: string, value: unknown) =>
    typeof value === "string" ? redact(value) : value;
  return escapeControls(JSON.stringify(line, secretless)) + "\n";
}

/**
 * What clients choose (names of workers, paths) must not begin lines of its own or steer a terminal.
 * Escaped as JSON has it, whose own encoder leaves those from U+007F on as they are.
 */
function escapeControls(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (control) => {
    const escaped = JSON.stringify(control).slice(1, -1);
    if (escaped !== control) return escaped;
    return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
