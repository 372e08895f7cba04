/**
 * The interface that both databases implement: PostgreSQL over postgres.js, and the embedded
 * PostgreSQL (PGlite). Code outside `storage` uses this interface only, with the same SQL for both.
 */
import type { PgRemoteDatabase } from "drizzle-orm/pg-proxy";

/** A parameter of a statement. Arrays are passed as text in PostgreSQL's own `{…}` syntax. */
export type Parameter = string | number | boolean | null | Uint8Array;

/** drizzle's query builder, for the queries that are not hot. */
export type Drizzle = PgRemoteDatabase;

/** A LISTEN that is in force. */
export interface Listening {
  /** Milliseconds between two calls of `ListenerEvents.onPeer` while there is a peer. */
  readonly peerIntervalMs: number;
  /** Stops listening. Resolves when no further payload will be delivered. */
  stop(): Promise<void>;
}

/** The events of a LISTEN. */
export interface ListenerEvents {
  /** A NOTIFY arrived. */
  onPayload(payload: string): void;
  /** A peer listens to the same channel: called every `peerIntervalMs` for as long as it does. */
  onPeer(): void;
  /**
   * LISTEN is in force, for the first time or again. PostgreSQL keeps no notifications for a
   * listener that was away, so the state that they announce has to be reconciled now.
   */
  onListening(): void;
}

/** A row of a scan. Where many rows' `data` are views of one buffer, they lie one after another. */
export interface ScannedRow {
  readonly position: number;
  readonly data: Uint8Array;
}

/** Queries that all see the database as it was at one moment. */
export interface Snapshot {
  query<Row>(statement: string, parameters?: readonly Parameter[]): Promise<Row[]>;
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
   * As `query`, for a statement that may run twice. On PostgreSQL it is sent again on another
   * connection when no answer comes soon, because the first connection may be half-open: the caller
   * then has its answer long before the statement's time limit.
   */
  hedged<Row>(statement: string, parameters?: readonly Parameter[]): Promise<Row[]>;
  /**
   * Runs one query that `build` makes with the typed schema.
   * @throws DatabaseUnavailable as `query` does
   */
  typedQuery<T>(build: (drizzle: Drizzle) => PromiseLike<T>): Promise<T>;

  /**
   * The rows of a query that yields `position bigint, data bytea`, neither of them null. Meant for
   * many bytes at once: PostgreSQL plans the query anew each time, but sends the bytes in binary,
   * where `query` would receive them as hexadecimal text.
   * @param parameters whole numbers, for `$1` and so on
   * @param expected about how many bytes of `data` the query will yield
   * @throws DatabaseUnavailable as `query` does
   */
  scan(query: string, parameters: readonly number[], expected?: number): Promise<ScannedRow[]>;
  /**
   * Runs `work` in one transaction, and rolls back when it throws.
   * @throws DatabaseUnavailable as `query` does, or what `work` throws
   */
  transaction<T>(work: (transaction: Drizzle) => Promise<T>): Promise<T>;
  /**
   * Runs `work` with queries that see one state of the database. It may take any time: on PostgreSQL
   * it has a connection of its own, and each statement of `work` a time limit of its own. In the
   * embedded database, which has one session, all other statements wait meanwhile.
   * @throws DatabaseUnavailable as `query` does, or what `work` throws
   */
  snapshot<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T>;
  /** Runs a script of several statements without parameters (migrations, DDL). */
  execute(script: string): Promise<void>;
  /** Whether `listen` is available. Where it is not, changes are found by polling. */
  readonly listens: boolean;
  listen(channel: string, events: ListenerEvents): Promise<Listening>;
  /**
   * Sets the listener, of which there is one, for the promotion of a server that may lack commits
   * of the server before it. What was read or written earlier may not exist there, so everything
   * cached must be invalidated. Statements in flight have failed by the time it is called.
   */
  onNewTimeline(listener: () => void): void;
  close(): Promise<void>;
}

/** The database cannot be reached, or did not answer in time. HTTP: 503 with Retry-After. */
export class DatabaseUnavailable extends Error {
  override name = "DatabaseUnavailable";
}

/**
 * The statement timed out. Requests that were queued behind it have waited as long, and fail with
 * the same error.
 */
export class StatementTimeout extends DatabaseUnavailable {
  override name = "StatementTimeout";
}

/**
 * The database answers that it is out of memory or of locks (SQLSTATE 53200), which others free again.
 * HTTP: 503 with Retry-After, and a code of its own.
 */
export class DatabaseExhausted extends DatabaseUnavailable {
  override name = "DatabaseExhausted";
}

/** SQLSTATE: out of memory, that for locks included. */
export const OUT_OF_MEMORY = "53200";

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
