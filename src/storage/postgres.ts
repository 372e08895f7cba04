/** PostgreSQL over postgres.js. */
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { setImmediate } from "node:timers";
import {
  type Database,
  DatabaseUnavailable,
  type ListenerEvents,
  type Listening,
  type Parameter,
} from "./database.ts";

export interface PostgresOptions {
  readonly url: string;
  /** Connections for statements; LISTEN has one more of its own. */
  readonly connections: number;
  /** How long a statement may take, connecting included, before it counts as unanswered. */
  readonly timeoutMs: number;
}

/** SQLSTATE classes and codes that say "not now", not "never". */
const UNAVAILABLE = /^(08|53|57P|25006|58|40P01|55P03|57014)/;

export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const connection = {
    max: options.connections,
    connect_timeout: Math.max(1, Math.ceil(options.timeoutMs / 1000)),
    // Retried quickly: a request waits for its own bound, not for a back-off that has grown.
    backoff: (attempt: number) => Math.min(0.1 * attempt, 1),
    // Arrays are sent as text; asking for the types of every array would cost a round trip.
    fetch_types: false,
    onnotice: () => {},
    connection: {
      application_name: "penstock",
      // The server gives up a little after we do, and frees its locks.
      statement_timeout: options.timeoutMs,
      idle_in_transaction_session_timeout: options.timeoutMs,
    },
    types: {
      int8: { to: 20, from: [20], serialize: String, parse: Number },
      bytea: {
        to: 17,
        from: [17],
        serialize: (bytes: Uint8Array) => "\\x" + bytes.toHex(),
        parse: (text: string) => Uint8Array.fromHex(text.slice(2)),
      },
      timestamp: {
        to: 1184,
        from: [1082, 1083, 1114, 1184],
        serialize: String,
        parse: (text: string) => text,
      },
    },
  };
  const client = postgres(options.url, connection);
  const database = new PostgresDatabase(client, options);
  try {
    await database.describe();
  } catch (error) {
    await client.end({ timeout: 1 }).catch(() => {});
    throw error;
  }
  return database;
}

type Client = postgres.Sql<{ int8: number; bytea: Uint8Array<ArrayBuffer>; timestamp: string }>;

class PostgresDatabase implements Database {
  readonly kind = "postgres";
  readonly concurrency: number;
  readonly drizzle: Database["drizzle"];
  description = "PostgreSQL";
  #client: Client;
  #options: PostgresOptions;

  constructor(client: Client, options: PostgresOptions) {
    this.#client = client;
    this.#options = options;
    this.concurrency = options.connections;
    this.drizzle = drizzle(client) as unknown as Database["drizzle"];
  }

  async describe(): Promise<void> {
    const [row] = await this.query<{ version: string; name: string }>(
      "select current_setting('server_version') as version, current_database() as name",
    );
    const host = this.#client.options.host[0] ?? "localhost";
    this.description = `PostgreSQL ${row?.version.split(" ")[0]} at ${host}/${row?.name}`;
  }

  query<Row>(statement: string, parameters: readonly Parameter[] = []): Promise<Row[]> {
    return this.#bounded(
      this.#client.unsafe(statement, parameters as never[], {
        prepare: true,
      }) as unknown as Promise<Row[]>,
    );
  }

  async execute(script: string): Promise<void> {
    await this.#bounded(this.#client.unsafe(script));
  }

  async listen(channel: string, events: ListenerEvents): Promise<Listening> {
    const listening = await this.#client.listen(
      channel,
      (payload) => events.onPayload(payload),
      () => events.onListening(),
    );
    return { stop: () => listening.unlisten() };
  }

  /**
   * One turn of the event loop: requests whose bytes have arrived are read first and go along. A
   * batch that leaves at once is a batch of one, and the rest waits for its whole round trip.
   */
  breathe(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {
    await this.#client.end({ timeout: 5 });
  }

  /** A statement that is never answered (a half-open socket) must not hold its request for ever. */
  #bounded<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new DatabaseUnavailable(`no answer within ${this.#options.timeoutMs} ms`));
      }, this.#options.timeoutMs + 500);
      work.then((value) => {
        clearTimeout(timer);
        resolve(value);
      }, (error) => {
        clearTimeout(timer);
        reject(unavailableOr(error));
      });
    });
  }
}

/** postgres.js speaks of broken connections by codes of its own; Postgres by SQLSTATE. */
function unavailableOr(error: unknown): unknown {
  const code = (error as { code?: unknown }).code;
  if (typeof code !== "string") return error;
  const connection = /^(CONNECT|CONNECTION_|E[A-Z]+$)/.test(code);
  return connection || UNAVAILABLE.test(code)
    ? new DatabaseUnavailable(`${code}: ${(error as Error).message}`, { cause: error })
    : error;
}
