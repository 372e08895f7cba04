/** How loud an event is, and what it says to a person. */
import type { TelemetryEvent } from "./events.ts";
import { messageOf } from "./redact.ts";

export type Level = "debug" | "info" | "warning" | "error" | "fatal";

/** How loud an event is. */
export function levelOf(event: TelemetryEvent): Level {
  switch (event.event) {
    case "wakeups":
      return event.fallback ? "warning" : "info";
    case "request":
    case "trimmed":
    case "swept":
    case "wake_delivered":
    case "wake_written":
    case "lease_claimed":
      return "debug";
    case "unknown_variable":
    case "variable_ignored":
    case "spans_dropped":
    case "worker_died":
    case "upgrade_failed":
    case "notify_failed":
    case "database_warning":
    case "database_promoted":
    case "database_connections_replaced":
    case "database_waiting":
    case "sweep_failed":
    case "webhook_refused":
    case "delivery_failed":
    case "subscriptions_failed":
    case "database_unavailable":
    case "database_exhausted":
    case "overloaded":
    case "stop_forced":
    case "access_refused":
    case "certificate_refused":
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

type Sentences = {
  readonly [Name in TelemetryEvent["event"]]: (
    event: Extract<TelemetryEvent, { readonly event: Name }>,
  ) => string;
};

const SENTENCES: Sentences = {
  starting: (event) => `Penstock ${event.version} on ${event.runtime}`,
  unknown_variable: (event) =>
    `${event.variable} is not a setting and is ignored` +
    (event.nearest === null ? "" : `: did you mean ${event.nearest}?`),
  variable_ignored: (event) => `${event.variable} is ignored: ${event.reason}`,
  tracing: (event) =>
    `Spans go to ${event.url}, sampler ${event.sampler}` +
    (event.sampler.endsWith("ratio") ? ` (${event.ratio})` : ""),
  spans_dropped: (event) =>
    `${event.dropped} spans were not sent, requests are served on: ${messageOf(event.error)}`,
  database_chosen: (event) => choiceOf(event),
  settings_refused: (event) => `${event.problems.join("; ")} (penstock --help lists all settings)`,
  failed: (event) => messageOf(event.error),
  admin_listening: (event) => `Serving health, metrics and administration at ${event.url}`,
  certificate_reloaded: (event) => `New connections get the certificate in ${event.file}`,
  certificate_refused: (event) =>
    `The certificate was not renewed, and the old one stays: ${messageOf(event.error)}`,
  supervising: (event) => `Starting ${event.workers} workers on port ${event.port}`,
  worker_started: (event) => `Worker ${event.worker} started, process ${event.pid}`,
  worker_died: (event) =>
    `Worker ${event.worker} died (${event.reason}), another follows in ${event.restartMs} ms`,
  stopping_workers: (event) => `Stopping all workers (${event.reason})`,
  database_checked: (event) =>
    `PostgreSQL ${event.version}: fsync ${onOff(event.fsync)}, full_page_writes ` +
    `${onOff(event.fullPageWrites)}, synchronous_commit ${event.synchronousCommit}, ` +
    `encoding ${event.encoding}${event.pooled ? ", behind a connection pooler" : ""}`,
  wakeups: (event) =>
    event.mode === "listen"
      ? `Wake-ups by LISTEN, ${event.reason}`
      : `Wake-ups by polling twice a second: ${event.reason}`,
  database_warning: (event) => event.message,
  database_creating: (event) => `Creating a database in ${event.dataDir}`,
  embedded_stopped: (event) =>
    "The embedded database has stopped, and nothing is acked until it is started again: " +
    messageOf(event.error),
  embedded_restarted: () => "The embedded database is started again, from what is on the disk",
  database_promoted: (event) =>
    `${event.host} was promoted (timeline ${event.timeline}): all that is cached is dropped`,
  database_connections_replaced: () =>
    "The database answers on a new connection and not on the open ones: they are replaced",
  database_waiting: (event) =>
    `Waiting up to ${event.ms} ms for a database that can be written to: ${event.reason}`,
  migrated: (event) =>
    event.steps.length === 0
      ? "Schema is up to date"
      : `Schema migrated: ${event.steps.join(", ")}`,
  listening: (event) => `Listening on ${event.url}, ${event.database}`,
  upgrade_started: (event) => `Process ${event.pid} is starting, to take over`,
  upgrade_failed: (event) => `The upgrade failed, and this process goes on: ${event.reason}`,
  notify_failed: (event) => `systemd-notify failed: ${event.reason}`,
  stopping: (event) => `Stopping (${event.reason}), ${event.followers} followers to end`,
  stop_forced: (event) => `Stopped by force: ${event.reason}`,
  stopped: () => "Stopped",
  database_returned: (event) =>
    `The database answers again, after ${(event.awayMs / 1000).toFixed(1)} s`,
  request: (event) =>
    `${event.method} ${event.path} ${event.status}: ${event.mode}, ${event.bytes} bytes ` +
    `in ${event.ms} ms, request ${event.requestId}`,
  trimmed: (event) => `Trimmed ${event.streams} streams by their retention`,
  swept: (event) => `Swept: ${event.expired} streams expired, ${event.reaped} reaped`,
  sweep_failed: (event) => `The sweep failed: ${messageOf(event.error)}`,
  database_unavailable: (event) =>
    `The database is unavailable: ${messageOf(event.error)}` + moreOf(event.suppressed),
  database_exhausted: (event) =>
    "The database is out of memory or locks (its max_locks_per_transaction): " +
    messageOf(event.error) + moreOf(event.suppressed),
  overloaded: (event) =>
    `Requests turned away: ${messageOf(event.error)}` + moreOf(event.suppressed),
  subscription_created: (event) => `Subscription ${event.subscription} created (${event.type})`,
  subscription_deleted: (event) => `Subscription ${event.subscription} deleted`,
  webhook_refused: (event) => `Subscription ${event.subscription} not created: ${event.reason}`,
  wake_delivered: (event) =>
    `Wake ${event.generation} of ${event.subscription} delivered in ${event.ms} ms: ` +
    `${event.status}${event.done ? ", done" : ""}`,
  wake_written: (event) => `Wake ${event.generation} of ${event.subscription} written`,
  delivery_failed: (event) =>
    `Wake ${event.generation} of ${event.subscription} failed: ${event.reason}` +
    (event.retryMs === null
      ? ""
      : `; failure ${event.failures}, failing for ${event.failingForMs} ms, ` +
        `tried again in ${event.retryMs} ms`),
  lease_claimed: (event) =>
    `Wake ${event.generation} of ${event.subscription} claimed by ${event.holder}`,
  lease_expired: (event) =>
    `Lease of wake ${event.generation} of ${event.subscription} expired` +
    (event.holder === null ? "" : `, held by ${event.holder}`),
  request_fenced: (event) => `Stale ${event.operation} for ${event.subscription} refused`,
  subscriptions_failed: (event) => `Subscriptions met an error: ${messageOf(event.error)}`,
  keys_rotated: (event) => `Keys rotated: ${event.kids.join(", ")} sign from now on`,
  access_token_created: ({ name, namespace, by, rules }) =>
    `Token ${name} created by ${by}: ${rules.join(" ")}` +
    (namespace === "" ? "" : ` in ${namespace}`),
  access_token_revoked: ({ name, by }) => `Token ${name} revoked by ${by}`,
  url_key_created: ({ key, by }) => `Key ${key} of signed URLs created by ${by}`,
  url_key_revoked: ({ key, by }) => `Key ${key} of signed URLs revoked by ${by}`,
  access_refused: ({ principal, address, method, path, reason, suppressed }) =>
    `Refused ${principal} at ${address} ${method} ${path}: ${reason}` + moreOf(suppressed),
  request_failed: (event) => `${event.method} ${event.path} failed: ${messageOf(event.error)}`,
};

/** One line for a person. */
export function sentenceOf(event: TelemetryEvent): string {
  return (SENTENCES[event.event] as (event: TelemetryEvent) => string)(event);
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

function moreOf(suppressed: number): string {
  return suppressed > 0 ? ` (${suppressed} more like it)` : "";
}
