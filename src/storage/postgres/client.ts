/** Opens clients of one server, whose sessions have the settings that Penstock needs. */
import type { TelemetryEvent } from "../../telemetry/events.ts";
import { DriverClient } from "./driver/client.ts";
import { PrimaryFinder } from "./primary.ts";
import { askStatus } from "./server_status.ts";
import { DEFAULT_SESSION, type Session } from "./session.ts";
import { parsePostgresUrl, type PostgresHost } from "./url.ts";
import type { WakeupOptions } from "./wakeup_mode.ts";

export interface PostgresOptions extends Partial<WakeupOptions> {
  readonly url: string;
  /** How many connections are for statements; LISTEN has one more of its own. */
  readonly connections: number;
  /** How long a statement may take, connecting included, milliseconds. */
  readonly timeoutMs: number;
  /** Receives the events of the start and of connection failures. */
  readonly report?: (event: TelemetryEvent) => void;
}

/** A finder that queries each host of the URL on a connection of its own. */
export function createFinder(options: PostgresOptions): PrimaryFinder {
  const { hosts } = parsePostgresUrl(options.url);
  return new PrimaryFinder({
    hosts,
    ask: (host) =>
      askStatus(
        openClient(options, { connections: 1, session: DEFAULT_SESSION, host }),
        options.timeoutMs,
      ),
  });
}

export interface ClientOptions {
  readonly connections: number;
  readonly session: Session;
  /** Finds the server for each connection, unless a `host` is given. */
  readonly finder?: PrimaryFinder;
  readonly host?: PostgresHost;
}

/** Makes a client without opening a connection: the first statement opens one. */
export function openClient(
  options: PostgresOptions,
  { connections, session, finder, host }: ClientOptions,
): DriverClient {
  const { driverUrl, hosts } = parsePostgresUrl(options.url);
  return new DriverClient({
    url: driverUrl,
    connections,
    timeoutMs: options.timeoutMs,
    session: settingsOf(session, options.timeoutMs),
    // A pooler may change the server session between statements, and with it what is prepared.
    prepares: !session.pooled || /[?&]prepare=/.test(driverUrl),
    primaryOnly: finder !== undefined && !session.pooled,
    host: async () => host ?? (await finder?.find())?.host ?? hosts[0]!,
    onConnectionLost: () => finder?.invalidate(),
  });
}

function settingsOf(session: Session, timeoutMs: number): Record<string, string | number> {
  return {
    application_name: "penstock",
    // A pooler shares its sessions among clients, and most poolers refuse the following settings.
    ...(session.pooled ? {} : {
      // Unqualified names must mean PostgreSQL's own objects or ours, never others' in `public`.
      search_path: "pg_catalog, penstock, pg_temp",
      // A session whose node or network has failed keeps its locks and its connection slot until
      // the server notices. Without these settings that takes two hours, the default of Linux.
      tcp_keepalives_idle: 10,
      tcp_keepalives_interval: 5,
      tcp_keepalives_count: 3,
      // The server cancels a statement shortly before the node gives up on it, and so releases its
      // locks.
      statement_timeout: timeoutMs,
      idle_in_transaction_session_timeout: timeoutMs,
    }),
    ...(session.synchronousCommit === null
      ? {}
      : { synchronous_commit: session.synchronousCommit }),
  };
}
