/** What there is: pages of streams, one of them with all that belongs to it, and how much it is. */
import { Overloaded, Refused } from "../../errors.ts";
import { Semaphore } from "../../lib/semaphore.ts";
import type { Labels } from "../../protocol/labels.ts";
import { encodeOffset } from "../../protocol/offset.ts";
import { type Database, textArray } from "../../storage/database.ts";
import { ForkChains } from "../read/fork_chain.ts";
import { type Entry, entryOf, type EntryRow, timeOf } from "./entry.ts";
import { retentionOf, type RetentionRule } from "../retention/rules.ts";
import { ownRetention } from "../stream_state.ts";
import { type PathFilter, type PathRange, rangeOf } from "./path_ranges.ts";
import { isPlaceCursor, PlaceCursors } from "./place_cursors.ts";

/** Paths that one page examines, those that match nothing included. */
const BUDGET = 10_000;
/** Streams that are counted one by one; the usage of more is estimated. */
const MOST_COUNTED = 10_000;
/** What the first portion of examined paths has beside two pages. */
const FIRST_PORTION = 100;
/** A page stops when it has matched paths with rules for so long, on the thread that serves. */
const MATCHING_MS = 20;
/** Of one page, about: labels are the client's, and up to 5 KiB a stream. */
const PAGE_BYTES = 1 << 20;
/** Of an entry beside its labels and its path. */
const ENTRY_LENGTH = 500;
/** Requests that wait for others. */
const MOST_WAITING = 200;
const MOST_PRODUCERS = 10_000;
const SHOWN_PRODUCERS = 100;
const SHOWN_SUBSCRIPTIONS = 1000;
const SHOWN_FORKS = 100;

const LIST = `select next_after, (entry).*
  from penstock.list_streams($1::text[], $2::text[], $3, $4::text::jsonb, $5, $6)`;
const PATHS = "select * from penstock.list_paths($1::text[], $2::text[], $3, $4) as path";
const NAMED = "select * from penstock.named_entries($1::text[], $2::text::jsonb, $3)";
const FIND = `select e.* from penstock.stream_entries e
  where e.path = $1 and e.state = 'active' and not e.expired`;
const PRODUCERS = "select * from penstock.stream_producers($1, $2, $3)";
const SUBSCRIPTIONS = "select * from penstock.stream_subscriptions($1, $2)";
const FORKS = "select * from penstock.stream_forks($1, $2)";
const USAGE = "select * from penstock.usage($1, $2, $3)";

export interface ListRequest {
  readonly filter: PathFilter;
  /** The page begins behind this path, or goes on after a page's `next_after`; "" at the start. */
  readonly after: string;
  readonly limit: number;
  /** A stream has to have all of these; null: whatever it has. */
  readonly labels: Labels | null;
}

/** A page of the listing. */
export interface Listing {
  readonly streams: readonly Entry[];
  /** A path of the filter, or a cursor that tells none, to go on after; null: this page is the last. */
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

/** A page as it is asked of the database. */
interface PageRequest {
  readonly ranges: readonly PathRange[];
  readonly after: string;
  readonly most: number;
  /** JSON. */
  readonly labels: string | null;
}

interface Scanned {
  readonly rows: readonly EntryRow[];
  /** The path up to which all were examined; null: there are no more, or enough were found. */
  readonly reach: string | null;
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
  readonly #cursors: PlaceCursors;
  /** A flood of listings must not take the connections that appends need. */
  readonly #semaphore: Semaphore;
  readonly #followers: (id: number) => number;

  constructor({ database, rules, followers }: CatalogParts) {
    this.#database = database;
    this.#rules = rules;
    this.#cursors = new PlaceCursors(database);
    this.#semaphore = new Semaphore({
      concurrency: Math.max(1, database.concurrency >> 2),
      maxWaiting: MOST_WAITING,
      onFull: () => new Overloaded("too many requests wait for the listing"),
    });
    this.#followers = followers;
    this.#forkChains = new ForkChains(database);
  }

  /** The database may have lost what is remembered here. */
  invalidate(): void {
    this.#forkChains.invalidate();
  }

  /** @throws Refused `invalid` where `after` is a cursor of another server, Overloaded, DatabaseUnavailable */
  async list({ filter, after, limit, labels }: ListRequest): Promise<Listing> {
    if (filter.ranges.length === 0) return { streams: [], next_after: null };
    const page = {
      ranges: filter.ranges,
      after: isPlaceCursor(after) ? await this.#cursors.open(after) : after,
      // One more says whether the page is the last.
      most: limit + 1,
      labels: labels === null ? null : JSON.stringify(labels),
    };
    const { rows, reach } = await this.#semaphore.run(() =>
      filter.matches === null ? this.#all(page) : this.#matching(page, filter.matches)
    );
    const streams = await this.#entries(rows.slice(0, limit));
    const kept = fitting(streams);
    if (kept.length < rows.length) return { streams: kept, next_after: kept.at(-1)!.path };
    // What does not match, a principal must not learn of.
    const next = reach === null || filter.matches === null
      ? reach
      : await this.#cursors.seal(reach);
    return { streams, next_after: next };
  }

  /** All streams in the ranges that have the labels. */
  async #all({ ranges, after, most, labels }: PageRequest): Promise<Scanned> {
    const rows = await this.#database.hedged<EntryRow & { next_after: string | null }>(LIST, [
      ...boundsOf(ranges),
      after,
      labels,
      most,
      BUDGET,
    ]);
    return {
      rows: rows.filter((row) => row.id !== null),
      reach: rows.at(-1)?.next_after ?? null,
    };
  }

  /**
   * Of those the ones that match, which is found out here: a regular expression of many rules took
   * PostgreSQL more than five seconds.
   */
  async #matching(
    { ranges, after, most, labels }: PageRequest,
    matches: (path: string) => boolean,
  ): Promise<Scanned> {
    const rows: EntryRow[] = [];
    let [reach, budget, spentMs] = [after, BUDGET, 0];
    for (let portion = FIRST_PORTION + 2 * most; budget > 0; portion *= 4) {
      const wanted = Math.min(portion, budget);
      const paths = (await this.#database.hedged<{ path: string }>(PATHS, [
        ...boundsOf(ranges),
        reach,
        wanted,
      ])).map(({ path }) => path);
      const began = performance.now();
      let examined = 0;
      const matching: string[] = [];
      for (const path of paths) {
        if (spentMs + performance.now() - began > MATCHING_MS) break;
        if (matches(path)) matching.push(path);
        reach = path;
        examined++;
      }
      spentMs += performance.now() - began;
      if (matching.length > 0) {
        const named = [textArray(matching), labels, most - rows.length];
        rows.push(...await this.#database.hedged<EntryRow>(NAMED, named));
        if (rows.length >= most) return { rows, reach: null };
      }
      if (examined < paths.length) return { rows, reach };
      if (paths.length < wanted) return { rows, reach: null };
      budget -= examined;
    }
    return { rows, reach };
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
        acked_offset: encodeOffset({ position: acked, generation }),
        next_offset: entry.next_offset,
      })),
      fork_paths: forks.map(({ path }) => path),
    };
  }

  /** What the streams hold whose paths begin with `prefix`. @throws DatabaseUnavailable */
  async usage(prefix: string): Promise<Usage> {
    const { first, stop } = rangeOf(prefix);
    const [row] = await this.#semaphore.run(() =>
      this.#database.hedged<Usage>(USAGE, [first, stop, MOST_COUNTED])
    );
    const { streams, bytes, estimated } = row!;
    return { streams, bytes, estimated };
  }

  async #entries(rows: readonly EntryRow[]): Promise<Entry[]> {
    const forks = rows.filter((row) => row.fork_position !== null).map((row) => row.id);
    const chains = forks.length === 0 ? null : await this.#forkChains.load(forks);
    return rows.map((row) => {
      const { path } = row;
      const retention = retentionOf(this.#rules, { path, retention: ownRetention(row) });
      return entryOf(row, {
        sources: chains?.get(row.id) ?? [],
        retention,
        followers: this.#followers(row.id),
      });
    });
  }
}

/** Two arrays: where the ranges begin and where they stop. */
function boundsOf(ranges: readonly PathRange[]): [string, string] {
  return [
    textArray(ranges.map(({ first }) => first)),
    textArray(ranges.map(({ stop }) => stop)),
  ];
}

/** As many of the streams as a page may hold, one at least. */
function fitting(streams: readonly Entry[]): readonly Entry[] {
  let length = 0;
  const end = streams.findIndex((entry, at) => {
    length += JSON.stringify(entry.labels).length + entry.path.length + ENTRY_LENGTH;
    return at > 0 && length > PAGE_BYTES;
  });
  return end < 0 ? streams : streams.slice(0, end);
}
