/**
 * What only the database knows, asked for now and then, and never waited for by a scrape: a database
 * that is away must not hide the metrics that say so.
 */
import type { Database } from "../storage/database.ts";
import type { Readings } from "./sources.ts";

/** How old the figures may be before a scrape asks for new ones. Milliseconds. */
const MAX_AGE_MS = 30_000;

const QUERY = `select pg_database_size(current_database()) as bytes,
  coalesce(string_agg(phase || ' ' || subscriptions, ','), '') as phases,
  max(failing) as failing
from (
  select phase::text as phase, count(*) as subscriptions,
    max(extract(epoch from clock_timestamp() - failing_since))::float8 as failing
  from penstock.subscriptions where deleted_at is null group by phase
) as by_phase`;

interface FiguresRow {
  readonly bytes: number;
  /** `idle 12,retrying 1`. */
  readonly phases: string;
  /** Seconds. */
  readonly failing: number | null;
}

export class DatabaseFigures {
  readonly #database: Database;
  #figures: FiguresRow | null = null;
  #askedAt = -Infinity;
  #asking: Promise<void> | null = null;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Resolves when the figures have been asked for; never rejects. */
  refresh(): Promise<void> {
    if (performance.now() - this.#askedAt < MAX_AGE_MS) return Promise.resolve();
    return this.#asking ??= this.#ask().finally(() => this.#asking = null);
  }

  addTo(readings: Readings): void {
    readings.gauge(
      { name: "database_size_bytes", help: "The database's size on its server's disk." },
      () => this.#read(({ bytes }) => Number(bytes)),
    );
    readings.gauge(
      { name: "subscriptions", help: "Subscriptions, by where their one wake is." },
      () => this.#figures === null ? [] : phasesOf(this.#figures.phases),
    );
    readings.gauge({
      name: "oldest_undelivered_seconds",
      help: "For how long the subscription that has failed for longest has been failing.",
    }, () => this.#read(({ failing }) => Number(failing ?? 0)));
  }

  #read(read: (figures: FiguresRow) => number): number | null {
    void this.refresh();
    return this.#figures === null ? null : read(this.#figures);
  }

  async #ask(): Promise<void> {
    this.#askedAt = performance.now();
    try {
      this.#figures = (await this.#database.query<FiguresRow>(QUERY))[0] ?? null;
    } catch {
      // Nothing is known of the database until it answers; other metrics say that it is away.
      this.#figures = null;
    }
  }
}

function phasesOf(phases: string) {
  return phases.split(",").filter((text) => text !== "").map((text) => {
    const [phase, count] = text.split(" ");
    return { labels: { phase: phase! }, value: Number(count) };
  });
}
