/** How loud an event is, and what it says to a person. */
import type { TelemetryEvent } from "./events.ts";
import { messageOf } from "./redact.ts";

export type Level = "debug" | "info" | "warning" | "error" | "fatal";

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
    case "unknown_variable":
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
    case "settings_refused":
    case "failed":
      return "fatal";
    default:
      return "info";
  }
}

/** One line for a person. */
export function sentenceOf(event: TelemetryEvent): string {
  switch (event.event) {
    case "starting":
      return `Penstock ${event.version} on ${event.runtime}`;
    case "unknown_variable":
      return `${event.variable} is not a setting and is ignored` +
        (event.nearest === null ? "" : `: did you mean ${event.nearest}?`);
    case "database_chosen":
      return choiceOf(event);
    case "settings_refused":
      return `${event.problems.join("; ")} (penstock --help lists all settings)`;
    case "failed":
      return messageOf(event.error);
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
    case "database_creating":
      return `Creating a database in ${event.dataDir}`;
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

function choiceOf(
  { kind, database, source, ignored }: TelemetryEvent & { event: "database_chosen" },
): string {
  const what = kind === "postgres" ? `PostgreSQL at ${database}` : `the database in ${database}`;
  const why = source === "default" ? "neither --database-url nor --data-dir names one" : source;
  return `Using ${what} (${why}${ignored === null ? "" : `; ${ignored} is ignored`})`;
}

function onOff(value: boolean): string {
  return value ? "on" : "off";
}
