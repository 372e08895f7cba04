/** What one node says of itself as JSON: totals since its start, and how the last seconds were. */
import process from "node:process";
import { measurements } from "../lib/telemetry/measurements.ts";
import type { DatabaseFigures } from "./database_figures.ts";
import { STARTED_AT } from "./process_figures.ts";
import { RecentFigures } from "./recent_figures.ts";

const SECONDS = 1 / 1000;

const RECENT = [
  measurements.appends,
  measurements.commits,
  measurements.deliveries,
  measurements.commitStreams,
  measurements.eventLoopDelays,
];

export interface NodeFiguresParts {
  readonly version: string;
  /** The name of this node among its peers. */
  readonly node: string;
  readonly databaseKind: "postgres" | "embedded";
  readonly database: DatabaseFigures;
  /** Followers that wait on this node now, by long-poll and by SSE. */
  readonly followers: () => number;
}

export type NodeReport = ReturnType<typeof report>;

export class NodeFigures {
  readonly #recent = new RecentFigures(RECENT);
  readonly #parts: NodeFiguresParts;

  constructor(parts: NodeFiguresParts) {
    this.#parts = parts;
  }

  /** To be called more often than once a second, so that the last seconds are known. */
  sample(now: number): void {
    this.#recent.sample(now);
  }

  /** Does not wait for a database that is away: what only it knows is null then. */
  async read(): Promise<NodeReport> {
    await this.#parts.database.refreshSoon();
    return report(this.#parts, this.#recent);
  }
}

function report(parts: NodeFiguresParts, recent: RecentFigures) {
  const { version, node, databaseKind, database } = parts;
  const { appends, commits, deliveries, commitStreams, eventLoopDelays } = measurements;
  const { longPolls } = measurements;
  return {
    version,
    node,
    started_at: new Date(STARTED_AT * 1000).toISOString(),
    database: {
      kind: databaseKind === "postgres" ? "postgresql" : "embedded",
      version: database.version,
      bytes: database.bytes,
    },
    totals: totals(),
    followers: { long_poll: longPolls, sse: Math.max(0, parts.followers() - longPolls) },
    latency_seconds: {
      append: recent.quantiles(appends, SECONDS),
      commit: recent.quantiles(commits, SECONDS),
      wake_up: recent.quantiles(deliveries, SECONDS),
    },
    commit_streams: recent.wholeQuantiles(commitStreams),
    event_loop_delay_seconds: { p99: recent.quantiles(eventLoopDelays, SECONDS).p99 },
    memory_bytes: memory(),
    subscriptions: database.subscriptions,
  };
}

function totals() {
  const { appends, commits, messagesReceived, bytesReceived, bytesSent } = measurements;
  let requests = 0;
  let reads = 0;
  for (const { route, count } of measurements.requests.entries()) {
    requests += count;
    if (route === "read") reads += count;
  }
  return {
    appends: sumOf(appends.counts),
    append_messages: messagesReceived,
    append_bytes: bytesReceived,
    commits: sumOf(commits.counts),
    reads,
    read_bytes: bytesSent,
    requests,
    refused: sumOf(measurements.refusals.values()),
  };
}

function memory() {
  const { rss, heapUsed } = process.memoryUsage();
  const parts = [...measurements.memory.values()].map(({ value }) => value());
  return { rss, heap: heapUsed, buffered: sumOf(parts) };
}

function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
