/** A database that is watched: its statements are counted and timed, and its outages noticed. */
import { Distribution, LATENCY_MS } from "../lib/telemetry/distribution.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
import { tracing } from "../lib/telemetry/tracing.ts";
import {
  type Database,
  DatabaseExhausted,
  DatabaseUnavailable,
  type Drizzle,
  type ListenerEvents,
  type Listening,
  type Parameter,
  type ScannedRow,
  type Snapshot,
} from "../storage/database.ts";

/** An outage shorter than this is a statement that timed out among others that did not. */
const MIN_OUTAGE_MS = 1000;

export class MeasuredDatabase implements Database {
  /** Statements that are answered, one way or the other, milliseconds. */
  readonly durations = new Distribution(LATENCY_MS);
  readonly #database: Database;
  readonly #onReturned: (awayMs: number) => void;
  #inProgress = 0;
  #failures = 0;

  /** @param onReturned called when the database answers again after an outage */
  constructor(database: Database, onReturned: (awayMs: number) => void) {
    this.#database = database;
    this.#onReturned = onReturned;
  }

  /** Statements and transactions that have not been answered. */
  get inProgress(): number {
    return this.#inProgress;
  }

  /** Statements that failed because the database was away or too slow. */
  get failures(): number {
    return this.#failures;
  }

  get kind() {
    return this.#database.kind;
  }
  get description() {
    return this.#database.description;
  }
  get concurrency() {
    return this.#database.concurrency;
  }
  get listens() {
    return this.#database.listens;
  }

  query<Row>(statement: string, parameters?: readonly Parameter[]): Promise<Row[]> {
    return this.#measured(this.#database.query<Row>(statement, parameters), statement);
  }

  hedged<Row>(statement: string, parameters?: readonly Parameter[]): Promise<Row[]> {
    return this.#measured(this.#database.hedged<Row>(statement, parameters), statement);
  }

  typedQuery<T>(build: (drizzle: Drizzle) => PromiseLike<T>): Promise<T> {
    return this.#measured(this.#database.typedQuery(build), "typed");
  }

  scan(query: string, parameters: readonly number[], expected?: number): Promise<ScannedRow[]> {
    return this.#measured(this.#database.scan(query, parameters, expected), query);
  }

  transaction<T>(work: (transaction: Drizzle) => Promise<T>): Promise<T> {
    return this.#measured(this.#database.transaction(work), "transaction");
  }

  /** Not measured: it lasts as long as a dump. */
  snapshot<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    return this.#database.snapshot(work);
  }

  execute(script: string): Promise<void> {
    return this.#database.execute(script);
  }

  listen(channel: string, events: ListenerEvents): Promise<Listening> {
    return this.#database.listen(channel, events);
  }

  onNewTimeline(listener: () => void): void {
    this.#database.onNewTimeline(listener);
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  /** @param statement its text, or what it is: names its span */
  async #measured<T>(answer: Promise<T>, statement: string): Promise<T> {
    const began = performance.now();
    const endSpan = tracing.active === null ? null : tracing.active.beginQuery(statement);
    this.#inProgress++;
    let failed = true;
    try {
      const value = await answer;
      if (measurements.databaseAwaySince !== null) this.#answered(began);
      failed = false;
      return value;
    } catch (error) {
      // A database that says that it is exhausted has answered.
      const away = error instanceof DatabaseUnavailable && !(error instanceof DatabaseExhausted);
      if (away) this.#failed();
      throw error;
    } finally {
      this.#inProgress--;
      if (endSpan !== null) endSpan(failed);
      this.durations.observe(performance.now() - began);
    }
  }

  #failed(): void {
    this.#failures++;
    measurements.databaseAwaySince ??= performance.now();
  }

  /** An answer to a statement from before the outage says nothing of its end. */
  #answered(began: number): void {
    const since = measurements.databaseAwaySince!;
    if (began < since) return;
    measurements.databaseAwaySince = null;
    const awayMs = Math.round(performance.now() - since);
    if (awayMs >= MIN_OUTAGE_MS) this.#onReturned(awayMs);
  }
}
