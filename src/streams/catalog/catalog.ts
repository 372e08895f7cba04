/** What there is: pages of streams, one of them with all that belongs to it, and how much it is. */
import { Refused } from "../../errors.ts";
import type { Labels } from "../../protocol/labels.ts";
import { encodeOffset } from "../../protocol/offset.ts";
import { type Database, textArray } from "../../storage/database.ts";
import { ForkChains } from "../read/fork_chain.ts";
import { type Entry, entryOf, type EntryRow, timeOf } from "./entry.ts";
import { retentionOf, type RetentionRule } from "../retention/rules.ts";
import { type PathFilter, rangeOf } from "./path_ranges.ts";

/** Paths that one page examines: 40 ms of work where none of them has the labels. */
const BUDGET = 10_000;
/** Streams that are counted one by one; the usage of more is estimated. */
const MOST_COUNTED = 10_000;
const MOST_PRODUCERS = 10_000;
const SHOWN_PRODUCERS = 100;
const SHOWN_SUBSCRIPTIONS = 1000;
const SHOWN_FORKS = 100;

const LIST = `select next_after, (entry).*
  from penstock.list_streams($1::text[], $2::text[], $3, $4, $5::text::jsonb, $6, $7)`;
const FIND = `select e.* from penstock.stream_entries e
  where e.path = $1 and e.state = 'active' and not e.expired`;
const PRODUCERS = "select * from penstock.stream_producers($1, $2, $3)";
const SUBSCRIPTIONS = "select * from penstock.stream_subscriptions($1, $2)";
const FORKS = "select * from penstock.stream_forks($1, $2)";
const USAGE = "select * from penstock.usage($1, $2, $3)";

export interface ListRequest {
  readonly filter: PathFilter;
  /** The page begins behind this path; "" at the start. */
  readonly after: string;
  readonly limit: number;
  /** A stream has to have all of these; null: whatever it has. */
  readonly labels: Labels | null;
}

/** A page of the listing. */
export interface Listing {
  readonly streams: readonly Entry[];
  /** What to go on after; null: this page is the last. */
  readonly next_after: string | null;
}

export interface Producer {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
  readonly last_append_at: string | null;
}

/** A subscription as one of its streams shows it. */
export interface StreamSubscription {
  readonly id: string;
  readonly type: string;
  readonly acked_offset: string;
  readonly next_offset: string;
}

export interface DetailedEntry extends Entry {
  readonly producers: readonly Producer[];
  readonly producers_total: number;
  readonly subscriptions: readonly StreamSubscription[];
  /** The paths of streams that were forked from it: not all, where there are many. */
  readonly fork_paths: readonly string[];
}

export interface Usage {
  readonly streams: number;
  readonly bytes: number;
  readonly estimated: boolean;
}

interface ProducerRow {
  readonly producer_id: string;
  readonly epoch: number;
  readonly last_seq: number;
  readonly appended_at_ms: number | null;
  readonly total: number;
}

interface SubscriptionRow {
  readonly name: string;
  readonly type: string;
  readonly acked: number;
  readonly acked_generation: number;
}

export interface CatalogParts {
  readonly database: Database;
  /** The server's, for streams whose PUT said nothing of retention. */
  readonly rules: readonly RetentionRule[];
  /** How many followers a stream has on this node, by the stream's id. */
  readonly followers: (id: number) => number;
}

export class Catalog {
  readonly #database: Database;
  readonly #forkChains: ForkChains;
  readonly #rules: readonly RetentionRule[];
  readonly #followers: (id: number) => number;

  constructor({ database, rules, followers }: CatalogParts) {
    this.#database = database;
    this.#rules = rules;
    this.#followers = followers;
    this.#forkChains = new ForkChains(database);
  }

  /** The database may have lost what is remembered here. */
  invalidate(): void {
    this.#forkChains.invalidate();
  }

  /** @throws DatabaseUnavailable */
  async list({ filter, after, limit, labels }: ListRequest): Promise<Listing> {
    if (filter.ranges.length === 0) return { streams: [], next_after: null };
    const rows = await this.#database.hedged<EntryRow & { next_after: string | null }>(LIST, [
      textArray(filter.ranges.map(({ first }) => first)),
      textArray(filter.ranges.map(({ stop }) => stop)),
      after,
      filter.regex,
      labels === null ? null : JSON.stringify(labels),
      limit,
      BUDGET,
    ]);
    return {
      streams: await this.#entries(rows.filter((row) => row.id !== null)),
      next_after: rows[0]?.next_after ?? null,
    };
  }

  /** @throws Refused `not_found`, DatabaseUnavailable */
  async find(path: string): Promise<DetailedEntry> {
    const [row] = await this.#database.hedged<EntryRow>(FIND, [path]);
    if (row === undefined) throw new Refused({ kind: "not_found" });
    const [[entry], producers, subscriptions, forks] = await Promise.all([
      this.#entries([row]),
      this.#database.hedged<ProducerRow>(PRODUCERS, [row.id, SHOWN_PRODUCERS, MOST_PRODUCERS]),
      this.#database.hedged<SubscriptionRow>(SUBSCRIPTIONS, [row.id, SHOWN_SUBSCRIPTIONS]),
      row.fork_count === 0
        ? []
        : this.#database.hedged<{ path: string }>(FORKS, [row.id, SHOWN_FORKS]),
    ]);
    if (entry === undefined) throw new Refused({ kind: "not_found" });
    return {
      ...entry,
      producers: producers.map((producer) => ({
        id: producer.producer_id,
        epoch: producer.epoch,
        seq: producer.last_seq,
        last_append_at: timeOf(producer.appended_at_ms),
      })),
      producers_total: producers[0]?.total ?? 0,
      subscriptions: subscriptions.map(({ name, type, acked, acked_generation: generation }) => ({
        id: name,
        type,
        acked_offset: encodeOffset({ position: acked, generation: acked === 0 ? 0 : generation }),
        next_offset: entry.next_offset,
      })),
      fork_paths: forks.map(({ path }) => path),
    };
  }

  /** What the streams hold whose paths begin with `prefix`. @throws DatabaseUnavailable */
  async usage(prefix: string): Promise<Usage> {
    const { first, stop } = rangeOf(prefix);
    const [row] = await this.#database.hedged<Usage>(USAGE, [first, stop, MOST_COUNTED]);
    const { streams, bytes, estimated } = row!;
    return { streams, bytes, estimated };
  }

  async #entries(rows: readonly EntryRow[]): Promise<Entry[]> {
    const forks = rows.filter((row) => row.fork_position !== null).map((row) => row.id);
    const chains = forks.length === 0 ? null : await this.#forkChains.load(forks);
    return rows.map((row) => {
      const { path, retention_age_seconds: ageSeconds, retention_bytes: bytes } = row;
      const own = ageSeconds === null && bytes === null ? null : { ageSeconds, bytes };
      const retention = retentionOf(this.#rules, { path, retention: own });
      return entryOf(row, {
        sources: chains?.get(row.id) ?? [],
        retention,
        followers: this.#followers(row.id),
      });
    });
  }
}
