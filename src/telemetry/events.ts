/**
 * Everything worth reporting, as one union. Code reports what happened; the log (and, one day,
 * metrics) only interpret it. No field may hold a secret: connection strings, tokens, stream bytes.
 */

export type TelemetryEvent =
  | { readonly event: "starting"; readonly version: string; readonly runtime: string }
  | { readonly event: "supervising"; readonly workers: number; readonly port: number }
  | { readonly event: "worker_started"; readonly worker: number; readonly pid: number | null }
  | {
    readonly event: "worker_died";
    readonly worker: number;
    readonly reason: string;
    readonly restartMs: number;
  }
  | { readonly event: "stopping_workers"; readonly reason: string }
  | {
    /** What the start found PostgreSQL to be, and its settings as our sessions have them. */
    readonly event: "database_checked";
    readonly version: string;
    readonly encoding: string;
    readonly fsync: boolean;
    readonly fullPageWrites: boolean;
    readonly synchronousCommit: string;
    readonly pooled: boolean;
  }
  /** How this node learns of what other nodes wrote. */
  | {
    readonly event: "wakeups";
    readonly mode: "listen" | "poll";
    readonly reason: string;
    readonly fallback: boolean;
  }
  /** Something about the database makes a promise of ours hollow, or will. */
  | { readonly event: "database_warning"; readonly setting: string; readonly message: string }
  /** The embedded database gave up: a full disk, a failed fsync. Nothing is acked until restarted. */
  | { readonly event: "embedded_stopped"; readonly error: unknown }
  | { readonly event: "embedded_restarted" }
  /** Another server was promoted, and is connected to from now on. */
  | { readonly event: "database_promoted"; readonly host: string; readonly timeline: number }
  /** Connections were half-open, and others have taken their place. */
  | { readonly event: "database_connections_replaced" }
  /** It cannot be written to yet; the start waits this long at most. */
  | { readonly event: "database_waiting"; readonly reason: string; readonly ms: number }
  | { readonly event: "migrated"; readonly steps: readonly string[] }
  | {
    readonly event: "listening";
    readonly version: string;
    readonly database: string;
    readonly url: string;
    /** A command line that shows it works. */
    readonly try: string;
  }
  | { readonly event: "stopping"; readonly reason: string; readonly followers: number }
  | { readonly event: "stop_forced"; readonly reason: string }
  | { readonly event: "stopped" }
  | { readonly event: "swept"; readonly expired: number; readonly reaped: number }
  | { readonly event: "sweep_failed"; readonly error: unknown }
  | { readonly event: "database_unavailable"; readonly error: unknown; readonly suppressed: number }
  /** More was asked for than this node takes on at once. */
  | { readonly event: "overloaded"; readonly error: unknown; readonly suppressed: number }
  | {
    readonly event: "subscription_created";
    readonly subscription: string;
    readonly type: "webhook" | "pull-wake";
  }
  | { readonly event: "subscription_deleted"; readonly subscription: string }
  | {
    /** A webhook was answered with 2xx. `done`: and its wake is over. */
    readonly event: "wake_delivered";
    readonly subscription: string;
    readonly generation: number;
    readonly status: number;
    readonly done: boolean;
    readonly ms: number;
  }
  | { readonly event: "wake_written"; readonly subscription: string; readonly generation: number }
  | {
    readonly event: "delivery_failed";
    readonly subscription: string;
    readonly generation: number;
    readonly reason: string;
    /** In a row; 0 when the wake was over before the failure was known. */
    readonly failures: number;
    /** Until the next attempt; null when there is none. */
    readonly retryMs: number | null;
    /** Since the first of these failures. */
    readonly failingForMs: number;
  }
  | {
    readonly event: "lease_claimed";
    readonly subscription: string;
    readonly generation: number;
    readonly holder: string;
  }
  | {
    /** Also a delivery that its node did not live to end. */
    readonly event: "lease_expired";
    readonly subscription: string;
    readonly generation: number;
    readonly holder: string | null;
  }
  | { readonly event: "request_fenced"; readonly subscription: string; readonly operation: string }
  /** Looking for wakes, or delivering one, met an error; it is done again. */
  | { readonly event: "subscriptions_failed"; readonly error: unknown }
  | { readonly event: "keys_rotated"; readonly kids: readonly string[] }
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
    case "wakeups":
      return event.fallback ? "warning" : "info";
    case "swept":
    case "wake_delivered":
    case "wake_written":
    case "lease_claimed":
      return "debug";
    case "worker_died":
    case "database_warning":
    case "database_promoted":
    case "database_connections_replaced":
    case "database_waiting":
    case "sweep_failed":
    case "delivery_failed":
    case "subscriptions_failed":
    case "database_unavailable":
    case "overloaded":
    case "stop_forced":
      return "warning";
    case "embedded_stopped":
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
    case "supervising":
      return `Starting ${event.workers} workers on port ${event.port}`;
    case "worker_started":
      return `Worker ${event.worker} started, process ${event.pid}`;
    case "worker_died":
      return `Worker ${event.worker} died (${event.reason}), another follows in ${event.restartMs} ms`;
    case "stopping_workers":
      return `Stopping all workers (${event.reason})`;
    case "database_checked":
      return `PostgreSQL ${event.version}: fsync ${onOff(event.fsync)}, full_page_writes ` +
        `${onOff(event.fullPageWrites)}, synchronous_commit ${event.synchronousCommit}, ` +
        `encoding ${event.encoding}${event.pooled ? ", behind a connection pooler" : ""}`;
    case "wakeups":
      return event.mode === "listen"
        ? `Wake-ups by LISTEN, ${event.reason}`
        : `Wake-ups by polling twice a second: ${event.reason}`;
    case "database_warning":
      return event.message;
    case "embedded_stopped":
      return "The embedded database has stopped, and nothing is acked until it is started again: " +
        messageOf(event.error);
    case "embedded_restarted":
      return "The embedded database is started again, from what is on the disk";
    case "database_promoted":
      return `${event.host} was promoted (timeline ${event.timeline}): all that is cached is dropped`;
    case "database_connections_replaced":
      return "The database answers on a new connection and not on the open ones: they are replaced";
    case "database_waiting":
      return `Waiting up to ${event.ms} ms for a database that can be written to: ${event.reason}`;
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
    case "overloaded":
      return `Requests turned away: ${messageOf(event.error)}` +
        (event.suppressed > 0 ? ` (${event.suppressed} more like it)` : "");
    case "subscription_created":
      return `Subscription ${event.subscription} created (${event.type})`;
    case "subscription_deleted":
      return `Subscription ${event.subscription} deleted`;
    case "wake_delivered":
      return `Wake ${event.generation} of ${event.subscription} delivered in ${event.ms} ms: ` +
        `${event.status}${event.done ? ", done" : ""}`;
    case "wake_written":
      return `Wake ${event.generation} of ${event.subscription} written`;
    case "delivery_failed":
      return `Wake ${event.generation} of ${event.subscription} failed: ${event.reason}` +
        (event.retryMs === null
          ? ""
          : `; failure ${event.failures}, failing for ${event.failingForMs} ms, ` +
            `tried again in ${event.retryMs} ms`);
    case "lease_claimed":
      return `Wake ${event.generation} of ${event.subscription} claimed by ${event.holder}`;
    case "lease_expired":
      return `Lease of wake ${event.generation} of ${event.subscription} expired` +
        (event.holder === null ? "" : `, held by ${event.holder}`);
    case "request_fenced":
      return `Stale ${event.operation} for ${event.subscription} refused`;
    case "subscriptions_failed":
      return `Subscriptions met an error: ${messageOf(event.error)}`;
    case "keys_rotated":
      return `Keys rotated: ${event.kids.join(", ")} sign from now on`;
    case "request_failed":
      return `${event.method} ${event.path} failed: ${messageOf(event.error)}`;
  }
}

function onOff(value: boolean): string {
  return value ? "on" : "off";
}

/** An error's message, without passwords. */
export function messageOf(error: unknown): string {
  return redact(error instanceof Error ? error.message : String(error));
}

/** Takes out what looks like the password in a connection string; it may itself hold an @. */
export function redact(text: string): string {
  return text.replace(/(\w+:\/\/[^\s:@/]*):\S*@/g, "$1:***@");
}
