/** Clients of postgres.js: one server's sessions, set up as Penstock needs them. */
import postgres from "postgres";
import type { TelemetryEvent } from "../../telemetry/events.ts";
import { parsePostgresUrl, type PostgresHost } from "./url.ts";
import type { WakeupOptions } from "./listener.ts";
import { PrimaryFinder } from "./primary.ts";
import { askRole } from "./facts.ts";
import { RawParameters } from "./driver/raw_parameters.ts";
import { failedSocket, openSocket, unstick } from "./driver/socket.ts";
import { surviveLostConnections } from "./driver/transactions.ts";
import { PLAIN, type Session } from "./startup.ts";

export interface PostgresOptions extends Partial<WakeupOptions> {
  readonly url: string;
  /** Connections for statements; LISTEN has one more of its own. */
  readonly connections: number;
  /** How long a statement may take, connecting included, before it counts as unanswered. */
  readonly timeoutMs: number;
  /** Told what the start finds out about the server. */
  readonly report?: (event: TelemetryEvent) => void;
}

export function finderOf(options: PostgresOptions): PrimaryFinder {
  const { hosts } = parsePostgresUrl(options.url);
  return new PrimaryFinder({
    hosts,
    ask: (host) =>
      askRole(
        openClient(options, { connections: 1, session: PLAIN, host }).sql,
        options.timeoutMs,
      ),
  });
}

export interface ClientOptions {
  readonly connections: number;
  readonly session: Session;
  /** Finds the server for each connection, unless there is a `host` to ask whether it is one. */
  readonly finder?: PrimaryFinder;
  readonly host?: PostgresHost;
}

/** What postgres.js has and its types do not know. */
interface Closing {
  /** Closes connections that wait for no answer at once, and the others when they have theirs. */
  close(): Promise<void>;
}

interface Large {
  /** For parameters of many bytes; null where they have to go as text. */
  readonly raw: RawParameters | null;
}

/** Clients that are ended open no more connections, those under way included. */
export function openClient(
  options: PostgresOptions,
  { connections, session, ...to }: ClientOptions,
) {
  const { driverUrl, hosts } = parsePostgresUrl(options.url);
  const ended = new AbortController();
  const raw = new RawParameters();
  const socket = async ({ ssl }: { ssl?: unknown }) => {
    try {
      const host = to.host ?? (await to.finder?.find())?.host ?? hosts[0]!;
      const { timeoutMs } = options;
      return unstick(
        await openSocket(host, { timeoutMs, signal: ended.signal, tls: Boolean(ssl) }),
        raw,
      );
    } catch (error) {
      to.finder?.suspect();
      return failedSocket(error);
    }
  };
  const client = postgres(driverUrl, {
    // Its types do not know this option.
    ...({ socket } as object),
    onclose: () => to.finder?.suspect(),
    ...(to.finder !== undefined && !session.pooled ? { target_session_attrs: "primary" } : {}),
    max: connections,
    connect_timeout: Math.max(1, Math.ceil(options.timeoutMs / 1000)),
    // Retried quickly: a request waits for its own bound, not for a back-off that has grown.
    backoff: (attempt: number) => Math.min(0.1 * attempt, 1),
    // Arrays are sent as text; asking for the types of every array would cost a round trip.
    fetch_types: false,
    // A statement prepared in one session of a pooler's is unknown in the next.
    ...(session.pooled && !/[?&]prepare=/.test(driverUrl) ? { prepare: false } : {}),
    onnotice: () => {},
    connection: {
      application_name: "penstock",
      // Behind a pooler a session is nobody's own, and most refuse what follows.
      ...(session.pooled ? {} : {
        // Names that are not qualified mean PostgreSQL's own or ours, whatever others put in `public`.
        search_path: "pg_catalog, penstock, pg_temp",
        // A session whose node or network is gone keeps its locks and its place among the
        // connections for as long as the server does not look: two hours, as Linux has it.
        tcp_keepalives_idle: 10,
        tcp_keepalives_interval: 5,
        tcp_keepalives_count: 3,
        // The server gives up a little before we do, and frees its locks.
        statement_timeout: options.timeoutMs,
        idle_in_transaction_session_timeout: options.timeoutMs,
      }),
      ...(session.synchronousCommit === null
        ? {}
        : { synchronous_commit: session.synchronousCommit }),
    },
    types: {
      int8: { to: 20, from: [20], serialize: String, parse: Number },
      bytea: {
        to: 17,
        from: [17],
        // Text is a token for bytes, or what was serialized before and is sent once more.
        serialize: (bytes: Uint8Array | string) =>
          typeof bytes === "string" ? bytes : "\\x" + bytes.toHex(),
        parse: (text: string) => Uint8Array.fromHex(text.slice(2)),
      },
      timestamp: {
        to: 1184,
        from: [1082, 1083, 1114, 1184],
        serialize: String,
        parse: (text: string) => text,
      },
    },
  });
  surviveLostConnections(client);
  const { end } = client;
  client.end = (given) => {
    ended.abort();
    return end.call(client, given);
  };
  // What TLS has encrypted is out of reach.
  const large: Large = { raw: client.options.ssl ? null : raw };
  const extended = Object.assign(client as typeof client & Closing, large);
  return { client: extended, sql: client as unknown as postgres.Sql };
}

export type Client = ReturnType<typeof openClient>["client"];
