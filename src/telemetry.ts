/**
 * Everything worth reporting, as one union. Code reports what happened; the log (and, one day,
 * metrics) only interpret it. No field may hold a secret: connection strings, tokens, stream bytes.
 */

export type TelemetryEvent =
  | { readonly event: "starting"; readonly version: string; readonly runtime: string }
  | { readonly event: "migrated"; readonly steps: readonly string[] }
  | {
    readonly event: "listening";
    readonly version: string;
    readonly database: string;
    readonly url: string;
  }
  | { readonly event: "stopping"; readonly reason: string; readonly followers: number }
  | { readonly event: "stop_forced"; readonly reason: string }
  | { readonly event: "stopped" }
  | { readonly event: "swept"; readonly expired: number; readonly reaped: number }
  | { readonly event: "sweep_failed"; readonly error: unknown }
  | { readonly event: "database_unavailable"; readonly error: unknown; readonly suppressed: number }
  | {
    readonly event: "request_failed";
    readonly method: string;
    readonly path: string;
    readonly error: unknown;
  };

export interface Telemetry {
  report(event: TelemetryEvent): void;
}

export type Level = "debug" | "info" | "warning" | "error";

/** How loud an event is. */
export function levelOf(event: TelemetryEvent): Level {
  switch (event.event) {
    case "swept":
      return "debug";
    case "sweep_failed":
    case "database_unavailable":
    case "stop_forced":
      return "warning";
    case "request_failed":
      return "error";
    default:
      return "info";
  }
}

/** One line for a person. */
export function sentenceOf(event: TelemetryEvent): string {
  switch (event.event) {
    case "starting":
      return `Penstock ${event.version} on ${event.runtime}`;
    case "migrated":
      return event.steps.length === 0
        ? "Schema is up to date"
        : `Schema migrated: ${event.steps.join(", ")}`;
    case "listening":
      return `Listening on ${event.url}, ${event.database}`;
    case "stopping":
      return `Stopping (${event.reason}), ${event.followers} followers to end`;
    case "stop_forced":
      return `Stopped by force: ${event.reason}`;
    case "stopped":
      return "Stopped";
    case "swept":
      return `Swept: ${event.expired} streams expired, ${event.reaped} reaped`;
    case "sweep_failed":
      return `The sweep failed: ${messageOf(event.error)}`;
    case "database_unavailable":
      return `The database is unavailable: ${messageOf(event.error)}` +
        (event.suppressed > 0 ? ` (${event.suppressed} more like it)` : "");
    case "request_failed":
      return `${event.method} ${event.path} failed: ${messageOf(event.error)}`;
  }
}

/** An error's message with what looks like a connection string's password taken out. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/(\w+:\/\/[^\s:@/]*):[^\s@]*@/g, "$1:***@");
}
