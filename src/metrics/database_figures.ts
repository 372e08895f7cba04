/**
 * What only the database knows, asked for now and then, and never waited for by a scrape: a database
 * that is away must not hide the metrics that say so.
 */
import { settlesWithin } from "../lib/timeout.ts";
import type { Database } from "../storage/database.ts";
import type { Readings } from "./sources.ts";

/** How old the figures may be before a scrape asks for new ones. Milliseconds. */
const MAX_AGE_MS = 30_000;
/** The same for `__ds/node`, which a person may be watching, and how long its answer waits for them. */
const SOON_AGE_MS = 5000;
const SOON_MS = 500;

const QUERY = `select pg_database_size(current_database()) as bytes,
  split_part(current_setting('server_version'), ' ', 1) as version,
  coalesce(string_agg(phase || ' ' || subscriptions, ','), '') as phases,
  coalesce(sum(due), 0)::float8 as due,
  coalesce(sum(failing_now), 0)::float8 as failing_now,
  max(failing) as failing
from (
  select phase::text as phase, count(*) as subscriptions,
    count(*) filter (where due_at <= clock_timestamp()) as due,
    count(failing_since) as failing_now,
    max(extract(epoch from clock_timestamp() - failing_since))::float8 as failing
  from penstock.subscriptions where deleted_at is null group by phase
) as by_phase`;

interface FiguresRow {
  readonly bytes: number;
  /** `18.4`. */
  readonly version: string;
  /** `idle 12,retrying 1`. */
  readonly phases: string;
  /** Subscriptions whose time has come. */
  readonly due: number;
  /** Subscriptions whose deliveries fail. */
  readonly failing_now: number;
  /** Seconds. */
  readonly failing: number | null;
}

export class DatabaseFigures {
  readonly #database: Database;
  #figures: FiguresRow | null = null;
  #version: string | null = null;
  #askedAt = -Infinity;
  #asking: Promise<void> | null = null;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The server's version; null until it has answered once. */
  get version(): string | null {
    return this.#version;
  }

  /** Null while the database does not answer. */
  get bytes(): number | null {
    return this.#figures === null ? null : Number(this.#figures.bytes);
  }

  /** Those that are due, whose wakes workers hold, and whose deliveries fail. */
  get subscriptions() {
    if (this.#figures === null) return { due: null, leased: null, failing: null };
    const { phases, due, failing_now: failing } = this.#figures;
    const leased = phasesOf(phases).find(({ labels }) => labels.phase === "claimed");
    return { due: Number(due), leased: leased?.value ?? 0, failing: Number(failing) };
  }

  /** Resolves when the figures have been asked for; never rejects. */
  refresh(maxAgeMs = MAX_AGE_MS): Promise<void> {
    if (performance.now() - this.#askedAt < maxAgeMs) return this.#asking ?? Promise.resolve();
    return this.#asking ??= this.#ask().finally(() => this.#asking = null);
  }

  /** Resolves when the figures are of the last seconds, or the database takes too long. */
  async refreshSoon(): Promise<void> {
    await settlesWithin(this.refresh(SOON_AGE_MS), SOON_MS);
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
      this.#version = this.#figures?.version ?? this.#version;
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
