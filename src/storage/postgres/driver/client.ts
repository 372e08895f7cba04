/**
 * A client of postgres.js as the rest of Penstock sees it. What leans on the inside of postgres.js
 * is in this folder, and README.md lists it.
 */
import postgres from "postgres";
import type { Parameter, ScannedRow } from "../../database.ts";
import type { PostgresHost } from "../url.ts";
import { copyOut } from "./copy_out.ts";
import { repairLostWrites } from "./lost_writes.ts";
import { RawParameters } from "./raw_parameters.ts";
import { failedSocket, openSocket } from "./socket.ts";
import { surviveLostConnections } from "./transactions.ts";

export interface DriverOptions {
  /** With one host, which is used for everything but the address. */
  readonly url: string;
  readonly connections: number;
  /** How long opening a connection may take, milliseconds. */
  readonly timeoutMs: number;
  /** Settings that each session begins with. */
  readonly session: Readonly<Record<string, string | number>>;
  /** Whether statements are prepared once a connection, as a pooler does not allow. */
  readonly prepares: boolean;
  /** Whether a connection is closed again whose server is not the primary. */
  readonly primaryOnly: boolean;
  /** The server that the next connection leads to. It may reject, which fails the connection. */
  readonly host: () => Promise<PostgresHost>;
  /** Called when a connection could not be opened, or was closed. */
  readonly onConnectionLost: () => void;
}

/** What postgres.js has and its types do not declare. */
interface Closing {
  close(): Promise<void>;
}

export class DriverClient {
  /** postgres.js itself, for what it documents. It is ended by `end`. */
  readonly sql: postgres.Sql;
  readonly #ended = new AbortController();
  readonly #rawParameters = new RawParameters();

  constructor(options: DriverOptions) {
    const client = postgres(options.url, {
      // The types of postgres.js do not declare this option.
      ...({ socket: (given: { ssl?: unknown }) => this.#connect(options, given) } as object),
      onclose: () => options.onConnectionLost(),
      ...(options.primaryOnly ? { target_session_attrs: "primary" } : {}),
      max: options.connections,
      connect_timeout: Math.max(1, Math.ceil(options.timeoutMs / 1000)),
      // A request waits for its own time limit, and not for a pause that has grown.
      backoff: (attempt: number) => Math.min(0.1 * attempt, 1),
      // Arrays are sent as text; asking for the types of every array would cost a round trip.
      fetch_types: false,
      ...(options.prepares ? {} : { prepare: false }),
      onnotice: () => {},
      connection: options.session,
      types: TYPES,
    });
    surviveLostConnections(client);
    this.sql = client as unknown as postgres.Sql;
  }

  /** Runs one statement, prepared where the client prepares. Large bytes travel as they are. */
  query<Row>(statement: string, parameters: readonly Parameter[]): Promise<Row[]> {
    const { sql } = this;
    const send = (given: readonly unknown[]) =>
      sql.unsafe(statement, given as never[], { prepare: true }) as unknown as Promise<Row[]>;
    // TLS has encrypted the messages before the tokens in them could be replaced.
    if (sql.options.ssl) return send(parameters);
    const typed = (token: string, type: number) => sql.typed(token as never, type);
    return this.#rawParameters.sending(parameters, { typed, send });
  }

  /** The rows of a `COPY … TO STDOUT (FORMAT binary)`. @param expected bytes of them, about */
  copyOut(statement: string, expected: number): Promise<ScannedRow[]> {
    return copyOut(this.sql, statement, expected);
  }

  /** Closes connections that wait for no answer at once, and the others when they have theirs. */
  drain(): Promise<void> {
    return (this.sql as unknown as Closing).close();
  }

  /**
   * Ends all connections, those that are being opened included, and opens no more.
   * @param timeoutSeconds how long statements in progress may take to end
   */
  end(timeoutSeconds = 0): Promise<void> {
    this.#ended.abort();
    return this.sql.end({ timeout: timeoutSeconds });
  }

  /** A socket for postgres.js. It never rejects: see `failedSocket`. */
  async #connect(options: DriverOptions, { ssl }: { readonly ssl?: unknown }) {
    try {
      const socket = await openSocket(await options.host(), {
        timeoutMs: options.timeoutMs,
        signal: this.#ended.signal,
        tls: Boolean(ssl),
      });
      this.#rawParameters.replaceIn(socket);
      repairLostWrites(socket);
      return socket;
    } catch (error) {
      options.onConnectionLost();
      return failedSocket(error);
    }
  }
}

const TYPES = {
  int8: { to: 20, from: [20], serialize: String, parse: Number },
  bytea: {
    to: 17,
    from: [17],
    // Text is a token for bytes, or was serialized before and is sent once more.
    serialize: (bytes: Uint8Array | string) =>
      typeof bytes === "string" ? bytes : "\\x" + bytes.toHex(),
    parse: (text: string) => Uint8Array.fromHex(text.slice(2)),
  },
  // JSON is given as text that is JSON already.
  json: { to: 114, from: [114, 3802], serialize: String, parse: JSON.parse },
  timestamp: {
    to: 1184,
    from: [1082, 1083, 1114, 1184],
    serialize: String,
    parse: (text: string) => text,
  },
};
