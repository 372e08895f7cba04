/**
 * The database's clock, for what nodes have to agree on without asking it each time. A node's own
 * clock may be wrong, or be set; what passes between two looks is measured by one that is not.
 */
import type { Database } from "./database.ts";

/** How long one look is good for: the two clocks drift apart by far less in it. Milliseconds. */
const FRESH_MS = 60_000;

export class DatabaseClock {
  readonly #database: Database;
  #ahead = 0;
  #lookedAt = -Infinity;
  #look: Promise<void> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Milliseconds since 1970, late by as much as the answer travelled.
   * @throws DatabaseUnavailable when it has to ask and cannot
   */
  async now(): Promise<number> {
    if (performance.now() - this.#lookedAt > FRESH_MS) {
      this.#look ??= this.#ask().finally(() => this.#look = undefined);
      await this.#look;
    }
    return Math.floor(performance.now() + this.#ahead);
  }

  async #ask(): Promise<void> {
    const [row] = await this.#database.query<{ now: number }>(
      "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now",
    );
    this.#lookedAt = performance.now();
    this.#ahead = row!.now - this.#lookedAt;
  }
}
