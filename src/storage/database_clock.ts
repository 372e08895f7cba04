/**
 * The database's clock, for times on which all nodes have to agree, without a query for each. A
 * node's own wall clock may be wrong or be set, so the time since the last query is measured by the
 * node's monotonic clock.
 */
import type { Database } from "./database.ts";

/** How long one reading is used: the drift of two clocks in it does not matter. Milliseconds. */
const FRESH_MS = 60_000;

export class DatabaseClock {
  readonly #database: Database;
  #ahead = 0;
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Milliseconds since 1970, late by the time that the database's answer took to arrive.
   * @throws DatabaseUnavailable when a new reading is needed and the database cannot give one
   */
  async now(): Promise<number> {
    if (performance.now() - this.#readAt > FRESH_MS) {
      this.#reading ??= this.#read().finally(() => this.#reading = undefined);
      await this.#reading;
    }
    return Math.floor(performance.now() + this.#ahead);
  }

  async #read(): Promise<void> {
    const [row] = await this.#database.query<{ now: number }>(
      "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now",
    );
    this.#readAt = performance.now();
    this.#ahead = row!.now - this.#readAt;
  }
}
