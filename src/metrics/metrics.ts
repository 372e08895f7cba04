/** `/metrics`: what this node has counted, timed and holds, in Prometheus's text format. */
import { Registry } from "prom-client";
import { PeriodicTask } from "../lib/periodic_task.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
import type { Telemetry, TelemetryEvent } from "../telemetry/events.ts";
import { DatabaseFigures } from "./database_figures.ts";
import { EventCounts } from "./event_counts.ts";
import { addHotPath } from "./hot_path.ts";
import type { MeasuredDatabase } from "./measured_database.ts";
import { type BuildFigures, ProcessFigures } from "./process_figures.ts";
import { NodeFigures, type NodeReport } from "./node_figures.ts";
import { Readings } from "./sources.ts";

/** Milliseconds between two measurements of how late the event loop is. */
const EVENT_LOOP_MS = 250;

export interface MetricsParts {
  readonly database: MeasuredDatabase;
  readonly build: Omit<BuildFigures, "database">;
  readonly followers: () => number;
  readonly draining: () => boolean;
  /** The name of this node among its peers. */
  readonly node: string;
  /** Of several processes that share a port, this one; null: the only one. */
  readonly worker: number | null;
}

/** Begins to count events before there is a database, and serves once it has its parts. */
export class Metrics extends PeriodicTask implements Telemetry {
  readonly #registry = new Registry();
  readonly #events = new EventCounts();
  readonly #process = new ProcessFigures();
  #node: NodeFigures | undefined;
  #dueAt = 0;

  constructor() {
    super({ run: () => this.#measureEventLoop(), pauseMs: EVENT_LOOP_MS });
  }

  report(event: TelemetryEvent): void {
    this.#events.report(event);
  }

  /** To be called once, before `text` and `node`. */
  observe({ database, build, followers, draining, node, worker }: MetricsParts): void {
    const readings = new Readings(this.#registry);
    if (worker !== null) this.#registry.setDefaultLabels({ worker: String(worker) });
    addHotPath(readings, followers);
    this.#events.addTo(readings);
    this.#process.addTo(readings, { ...build, database: database.kind });
    const databaseFigures = new DatabaseFigures(database);
    databaseFigures.addTo(readings);
    this.#node = new NodeFigures({
      version: build.version,
      node,
      databaseKind: database.kind,
      database: databaseFigures,
      followers,
    });
    addDatabase(readings, database);
    readings.gauge(
      { name: "draining", help: "1 once the node has been told to stop." },
      () => draining() ? 1 : 0,
    );
  }

  async text(): Promise<{ readonly contentType: string; readonly text: string }> {
    await this.#process.refresh();
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  /** What `GET /v1/stream/__ds/node` answers. */
  node(): Promise<NodeReport> {
    return this.#node!.read();
  }

  protected override onStart(): void {
    this.#dueAt = performance.now() + EVENT_LOOP_MS;
    super.onStart();
  }

  #measureEventLoop(): void {
    const now = performance.now();
    measurements.eventLoopDelays.observe(Math.max(0, now - this.#dueAt));
    this.#dueAt = now + EVENT_LOOP_MS;
    this.#node?.sample(now);
  }
}

function addDatabase(readings: Readings, database: MeasuredDatabase): void {
  const { concurrency } = database;
  readings.histogram(
    { name: "statement_seconds", help: "Statements, until they were answered or failed." },
    database.durations,
    1 / 1000,
  );
  readings.counter(
    { name: "statement_failures_total", help: "Statements that the database did not answer." },
    () => database.failures,
  );
  readings.gauge(
    { name: "database_up", help: "0 from a statement that failed until one is answered, else 1." },
    () => measurements.databaseAwaySince === null ? 1 : 0,
  );
  readings.gauge(
    { name: "pool_connections", help: "Statements that the database can run at once." },
    () => concurrency,
  );
  readings.gauge(
    { name: "pool_in_use", help: "Statements in progress, up to the number of connections." },
    () => Math.min(concurrency, database.inProgress),
  );
  readings.gauge(
    { name: "pool_waiting", help: "Statements in progress beyond the number of connections." },
    () => Math.max(0, database.inProgress - concurrency),
  );
}
