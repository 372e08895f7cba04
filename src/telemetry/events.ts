/**
 * Everything worth reporting, as one union. Code reports what happened; the log and the
 * metrics only interpret it. No field may hold a secret: connection strings, tokens, stream bytes.
 */
import type { RequestLine } from "./access_log.ts";

export type TelemetryEvent =
  | { readonly event: "starting"; readonly version: string; readonly runtime: string }
  /** A variable of the environment begins as settings do, and is none. Its value is not said. */
  | {
    readonly event: "unknown_variable";
    readonly variable: string;
    readonly nearest: string | null;
  }
  | {
    /** Which database, before it is opened. */
    readonly event: "database_chosen";
    readonly kind: "postgres" | "embedded";
    /** `host:port/name`, or a folder. */
    readonly database: string;
    /** The flag or variable that named it, or `default`. */
    readonly source: string;
    /** The flag or variable that names another one, and gives way. */
    readonly ignored: string | null;
  }
  /** A variable that OpenTelemetry gives a name to cannot be used, and has no effect. */
  | { readonly event: "variable_ignored"; readonly variable: string; readonly reason: string }
  /** Spans of requests are sent there. */
  | {
    readonly event: "tracing";
    readonly url: string;
    readonly sampler: string;
    readonly ratio: number;
  }
  /** Spans were lost: the collector is away, or too slow. Once a minute at most. */
  | { readonly event: "spans_dropped"; readonly dropped: number; readonly error: unknown }
  /** The settings cannot be used, so nothing is started. */
  | { readonly event: "settings_refused"; readonly problems: readonly string[] }
  /** The command ends for this. */
  | { readonly event: "failed"; readonly error: unknown }
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
  /** The embedded database is made: the folder holds none. */
  | { readonly event: "database_creating"; readonly dataDir: string }
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
  /** A new process of this program is starting, to take over the port. */
  | { readonly event: "upgrade_started"; readonly pid: number | null }
  /** There is no new process: this one goes on. */
  | { readonly event: "upgrade_failed"; readonly reason: string }
  /** systemd could not be told how this process is. */
  | { readonly event: "notify_failed"; readonly reason: string }
  /** Where operators' routes are, with `--admin-port`. */
  | { readonly event: "admin_listening"; readonly url: string }
  /** New connections get what the file holds now. */
  | { readonly event: "certificate_reloaded"; readonly file: string }
  /** The files hold no certificate with its key; the old one stays. */
  | { readonly event: "certificate_refused"; readonly error: unknown }
  | { readonly event: "stopping"; readonly reason: string; readonly followers: number }
  | { readonly event: "stop_forced"; readonly reason: string }
  | { readonly event: "stopped" }
  /** The database answers again, after statements had failed for this long. */
  | { readonly event: "database_returned"; readonly awayMs: number }
  /** A request has been answered. Reported where requests are logged. */
  | ({ readonly event: "request" } & RequestLine)
  | { readonly event: "swept"; readonly expired: number; readonly reaped: number }
  /** Streams were trimmed by their retention. */
  | { readonly event: "trimmed"; readonly streams: number }
  | { readonly event: "sweep_failed"; readonly error: unknown }
  /** A key of signed URLs was made, or revoked, by this principal. */
  | { readonly event: "url_key_created"; readonly key: string; readonly by: string }
  | { readonly event: "url_key_revoked"; readonly key: string; readonly by: string }
  | { readonly event: "database_unavailable"; readonly error: unknown; readonly suppressed: number }
  /** The database answers that it is out of memory or locks. */
  | { readonly event: "database_exhausted"; readonly error: unknown; readonly suppressed: number }
  /** More was asked for than this node takes on at once. */
  | { readonly event: "overloaded"; readonly error: unknown; readonly suppressed: number }
  | {
    readonly event: "subscription_created";
    readonly subscription: string;
    readonly type: "webhook" | "pull-wake";
  }
  | { readonly event: "subscription_deleted"; readonly subscription: string }
  | {
    /** A subscription was not created, because of its webhook's URL; `reason` holds no path of it. */
    readonly event: "webhook_refused";
    readonly subscription: string;
    readonly reason: string;
  }
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
  /** Issuing or delivering wakes met an error; it is done again. */
  | { readonly event: "subscriptions_failed"; readonly error: unknown }
  | { readonly event: "keys_rotated"; readonly kids: readonly string[] }
  | {
    readonly event: "access_token_created";
    readonly name: string;
    readonly namespace: string;
    readonly rules: readonly string[];
    /** The principal that made it. */
    readonly by: string;
    readonly expiresAtMs: number | null;
  }
  | { readonly event: "access_token_revoked"; readonly name: string; readonly by: string }
  | {
    /** Access control refused a request; others like it are counted. */
    readonly event: "access_refused";
    readonly principal: string;
    /** Of the connection: behind a proxy, the proxy's. */
    readonly address: string | null;
    readonly method: string;
    /** Without the query. */
    readonly path: string;
    readonly reason: string;
    readonly suppressed: number;
  }
  | {
    readonly event: "request_failed";
    readonly method: string;
    readonly path: string;
    readonly error: unknown;
  };

export interface Telemetry {
  report(event: TelemetryEvent): void;
}
