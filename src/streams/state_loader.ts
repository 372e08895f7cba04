/**
 * Loads streams' states from the database, many in one query: requests that arrive while a query is
 * in progress share the next one, so a thousand readers cost one round trip. A request is never
 * answered by a query that began before it, so no state is stale, on any node.
 */
import { WAITING } from "../limits.ts";
import { Batcher } from "../lib/batcher.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
import { type SharedWork, type TracedRequest, tracing } from "../lib/telemetry/tracing.ts";
import { Overloaded } from "../errors.ts";
import { type Database, numberArray, StatementTimeout, textArray } from "../storage/database.ts";
import { ForkChains } from "./read/fork_chain.ts";
import { stateOf, type StreamRow, type StreamState } from "./stream_state.ts";

const BY_PATH = "select * from penstock.load_states($1::text[])";
const CHANGED = `select followed_id, (stream).*
  from penstock.changed_streams($1::bigint[], $2::bigint[], $3::boolean[])`;
const GROWN = CHANGED.replace("changed_streams", "grown_streams");
const RENEW_TTL = "select penstock.renew_ttls($1::bigint[])";

/** The most requests that one query answers. */
const MAX_BATCH = 5000;
/**
 * Queries in progress at once: with two, a request need not wait for the query before it to end.
 */
const CONCURRENCY = 2;

/** A followed stream, as this node last knew it. */
export interface KnownStream {
  readonly id: number;
  readonly tail: number;
  readonly closed: boolean;
}

interface StateRequest {
  readonly path: string;
  /** Whether the state is loaded for a read, which renews the stream's TTL. */
  readonly renewsTtl: boolean;
  /** Null: it is not traced. */
  readonly traced: TracedRequest | null;
}

export class StateLoader {
  readonly #database: Database;
  readonly #batcher: Batcher<StateRequest, StreamState | null>;
  readonly #forkChains: ForkChains;

  constructor(database: Database) {
    this.#database = database;
    this.#forkChains = new ForkChains(database);
    this.#batcher = new Batcher({
      concurrency: Math.min(CONCURRENCY, database.concurrency),
      maxBatch: MAX_BATCH,
      maxWaiting: WAITING.stateLoads,
      onFull: () => new Overloaded("too many reads wait for the database", "read_queue"),
      run: (batch) =>
        tracing.active === null
          ? this.#loadBatch(batch)
          : tracing.active.share(traceOfLoad(batch), () => this.#loadBatch(batch)),
      // Requests that wait behind a query that timed out have waited as long: they fail with it, so
      // that none waits for two time limits.
      failsWaiting: (error) => error instanceof StatementTimeout,
    });
    const value = () => this.#batcher.waiting;
    measurements.queues.set("state_loads", { value, limit: WAITING.stateLoads });
  }

  /**
   * The stream at `path` now, or null. This is not a read, so the TTL is not renewed.
   * @throws DatabaseUnavailable, Overloaded
   */
  load(path: string): Promise<StreamState | null> {
    return this.#batcher.submit({ path, renewsTtl: false, traced: tracedRequest() });
  }

  /** As `load`, and renews the TTL: a read (section 5.1, Stream-TTL). */
  loadForRead(path: string): Promise<StreamState | null> {
    return this.#batcher.submit({ path, renewsTtl: true, traced: tracedRequest() });
  }

  /** The current states at many paths, by a query of their own. */
  async loadAll(paths: readonly string[]): Promise<Map<string, StreamState>> {
    const began = performance.now();
    const rows = await this.#database.hedged<StreamRow>(BY_PATH, [textArray(paths)]);
    measurements.stateLoads.observe(performance.now() - began);
    const states = new Map<string, StreamState>();
    const forks: StreamRow[] = [];
    for (const row of rows) {
      if (row.source_id === null) states.set(row.path, stateOf(row));
      else forks.push(row);
    }
    if (forks.length === 0) return states;
    const chains = await this.#forkChains.load(forks.map((row) => row.id));
    for (const row of forks) {
      // A fork whose chain is gone has been reaped since its row was read.
      const sources = chains.get(row.id);
      if (sources !== undefined) states.set(row.path, stateOf(row, sources));
    }
    return states;
  }

  /** The database may have lost what is remembered here. */
  invalidate(): void {
    this.#forkChains.invalidate();
  }

  /**
   * Those of the streams that have changed: deleted ones have their state, and null stands for one
   * that has been reaped; without their `sources`. The TTL of all of them is renewed, because they
   * are followed.
   * @param tailsMayFall notices tails that fell too, as they do in a failover that loses commits, at
   * more than twice the cost
   */
  async changed(
    known: readonly KnownStream[],
    { tailsMayFall = true }: { readonly tailsMayFall?: boolean } = {},
  ): Promise<Map<number, Omit<StreamState, "sources"> | null>> {
    const rows = await this.#database.hedged<StreamRow & { followed_id: number }>(
      tailsMayFall ? CHANGED : GROWN,
      [
        numberArray(known.map((stream) => stream.id)),
        numberArray(known.map((stream) => stream.tail)),
        numberArray(known.map((stream) => stream.closed)),
      ],
    );
    await this.#renewTtls(
      rows.filter((row) => row.renews_ttl && !row.expired).map((row) => row.id),
    );
    return new Map(
      rows.map((row) => [row.followed_id, row.id === null ? null : stateOf(row)] as const),
    );
  }

  async #loadBatch(batch: readonly StateRequest[]): Promise<(StreamState | null)[]> {
    measurements.stateLoadRequests.observe(batch.length);
    const paths = new Set<string>();
    const read = new Set<string>();
    for (const { path, renewsTtl } of batch) {
      paths.add(path);
      if (renewsTtl) read.add(path);
    }
    const states = await this.loadAll([...paths]);
    const due = [...states.values()].filter((state) =>
      state.ttlRenewalDue && !state.expired && read.has(state.path)
    );
    if (due.length > 0) {
      await this.#renewTtls(due.map((state) => state.id));
      // A stream that expired between the load and the renewal was not renewed, so the states are
      // loaded again: a reader must not get the state of an expired stream.
      const renewed = await this.loadAll(due.map((state) => state.path));
      for (const { path } of due) {
        const state = renewed.get(path);
        if (state === undefined) states.delete(path);
        else states.set(path, state);
      }
    }
    return batch.map(({ path }) => states.get(path) ?? null);
  }

  async #renewTtls(ids: number[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#database.hedged(RENEW_TTL, [numberArray(ids.sort((a, b) => a - b))]);
  }
}

function tracedRequest(): TracedRequest | null {
  return tracing.active === null ? null : tracing.active.currentRequest();
}

function traceOfLoad(batch: readonly StateRequest[]): SharedWork {
  const attributes = { "penstock.load.requests": batch.length };
  return { name: "load states", requests: batch.map(({ traced }) => traced), attributes };
}
