/**
 * The one face both databases show to the rest of Penstock: PostgreSQL over postgres.js, and the
 * embedded PostgreSQL (PGlite). Everything above this file writes one SQL and knows one driver.
 */
import type { PgRemoteDatabase } from "drizzle-orm/pg-proxy";

/** What a statement may be given. Arrays travel as text in Postgres's own `{…}` syntax. */
export type Parameter = string | number | boolean | null | Uint8Array;

/** drizzle's query builder, for the queries that are not hot. */
export type Drizzle = PgRemoteDatabase;

/** A channel that is being listened to. */
export interface Listening {
  /** Milliseconds between two signs of life of a peer, as `ListenerEvents.onPeer` gives them. */
  readonly peerIntervalMs: number;
  /** Stops listening. Resolves when no further payload will be delivered. */
  stop(): Promise<void>;
}

/** What a listener is told. */
export interface ListenerEvents {
  /** A NOTIFY arrived. */
  onPayload(payload: string): void;
  /** A peer listens to the same channel: called every `peerIntervalMs` for as long as it does. */
  onPeer(): void;
  /**
   * LISTEN is (again) in force. What was sent before is lost, so whoever waits for a wake-up
   * must look for itself now.
   */
  onListening(): void;
}

/** A row of a scan. Where many rows' `data` are views of one buffer, they lie one after another. */
export interface ScannedRow {
  readonly position: number;
  readonly data: Uint8Array;
}

export interface Database {
  readonly kind: "postgres" | "embedded";
  /** Human readable and free of secrets, for the start-up line: `PostgreSQL 18.4 at host/db`. */
  readonly description: string;
  /** How many statements can usefully be under way at once. */
  readonly concurrency: number;
  /**
   * Runs one statement, prepared once a connection, in a transaction of its own.
   *
   * `int8` comes back as a number (all of Penstock's are below 2^53), `bytea` as a Uint8Array,
   * `timestamptz` as text.
   * @throws DatabaseUnavailable when the server cannot be reached or does not answer in time; the
   * statement may or may not have taken effect then.
   */
  query<Row>(statement: string, parameters?: readonly Parameter[]): Promise<Row[]>;
  /**
   * As `query`, of a statement that does no harm when it runs twice. On PostgreSQL it is asked again
   * on another connection when the answer does not come at once, for a connection may be dead
   * without a word; so whoever waits here does not wait out the limit of a statement.
   */
  hedged<Row>(statement: string, parameters?: readonly Parameter[]): Promise<Row[]>;
  /**
   * Runs one query that `build` makes with the typed schema.
   * @throws DatabaseUnavailable as `query` does
   */
  typedQuery<T>(build: (drizzle: Drizzle) => PromiseLike<T>): Promise<T>;

  /**
   * Rows of a query that yields `position bigint, data bytea`, neither of them null, for many bytes
   * at once: on PostgreSQL it is planned anew each time, but its bytes come as they are.
   * @param parameters whole numbers, for `$1` and so on
   * @param expected bytes of `data` that will come, about
   * @throws DatabaseUnavailable as `query` does
   */
  scan(query: string, parameters: readonly number[], expected?: number): Promise<ScannedRow[]>;
  /**
   * Runs `work` in one transaction, and rolls back when it throws.
   * @throws DatabaseUnavailable as `query` does, or what `work` throws
   */
  transaction<T>(work: (transaction: Drizzle) => Promise<T>): Promise<T>;
  /** Runs a script of several statements without parameters (migrations, DDL). */
  execute(script: string): Promise<void>;
  /** Whether `listen` can be had. Where not, whoever waits for news has to look for it. */
  readonly listens: boolean;
  listen(channel: string, events: ListenerEvents): Promise<Listening>;
  /**
   * Tells this listener, one for all, when the server was replaced by one whose history branched
   * off: what was read or written before may not be there, and all that is remembered of it must be
   * forgotten. Statements that had not been answered have failed by then.
   */
  onNewTimeline(listener: () => void): void;
  close(): Promise<void>;
}

/** The database cannot be reached, or did not answer in time. HTTP: 503 with Retry-After. */
export class DatabaseUnavailable extends Error {
  override name = "DatabaseUnavailable";
}

/**
 * A statement had its whole time and was not done. Whoever has waited behind it has waited as long,
 * and is answered the same.
 */
export class StatementTimeout extends DatabaseUnavailable {
  override name = "StatementTimeout";
}

/** Postgres's array input syntax for numbers, bigints and booleans: `{1,2}`. */
export function numberArray(values: readonly (number | bigint | boolean | null)[]): string {
  return "{" + values.map((value) => value === null ? "NULL" : String(value)).join(",") + "}";
}

/** Postgres's array input syntax for text, quoted: `{"a","b"}`. */
export function textArray(values: readonly (string | null)[]): string {
  return "{" +
    values.map((value) => value === null ? "NULL" : '"' + value.replace(/["\\]/g, "\\$&") + '"')
      .join(",") +
    "}";
}
