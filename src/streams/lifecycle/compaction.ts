/**
 * What appends leave behind, since they only insert: superseded states of producers, which are deleted,
 * and small segments, of which those that lie side by side are merged. Both are found by walking through the
 * tables' pages, so that appends note nothing anywhere; any number of nodes may do it.
 */
import { REMEMBERED } from "../../limits.ts";
import type { Database } from "../../storage/database.ts";
import { SegmentSpace } from "./segment_space.ts";

/** Pages of a table in one step: 1 MiB. */
const PAGES = 128;
/** From the end of a walk through a table to the next, while there are appends. Milliseconds. */
const PAUSE_MS = 30_000;
/** So many times as long as a walk took is the pause after it, at least. */
const PAUSE_FACTOR = 20;
/** Small segments that were found of a stream before it is worth a visit. */
const SMALL_SEGMENTS = 64;
/** A stream whose tail has not moved for so long is quiet. Milliseconds. */
const QUIET_MS = 30_000;
/** Between two walks for idle producers: a tenth of the time after which they expire, within these. */
const SHORTEST_EXPIRY_PAUSE_MS = 1000;
const LONGEST_EXPIRY_PAUSE_MS = 3_600_000;
/** Streams visited and segments merged in one step. */
const MAX_VISITS = 50;
const MAX_SEGMENTS = 4000;

export interface CompactionOptions {
  readonly pauseMs?: number;
  readonly quietMs?: number;
  /** Null: producers never expire. */
  readonly producerIdleExpiryMs?: number | null;
}

/** A stream with small segments. */
interface Found {
  /** How many were found since it was last merged. */
  small: number;
  /** Where to merge from. */
  from: number;
  /** Its tail when it was last visited, and since when that is so, as `performance.now()`. */
  tail: number | null;
  since: number;
}

interface SmallRow {
  stream_id: number | null;
  first_position: number;
  small: number;
  next_page: number | null;
}

interface MergedRow {
  next_position: number;
  tail: number;
  more: boolean;
  finished: boolean;
}

/** Where a walk through the pages of a table is. A node that has just started walks. */
class Walk {
  /** Appends were committed since it began. */
  written = true;
  /** Null between two walks. */
  #page: number | null = null;
  #last = 0;
  #startedAt = 0;
  #dueAt = 0;

  /** The page to go on with, null while it is not time to. New rows may lie anywhere: from the first. */
  nextPage(): number | null {
    if (this.#page === null && this.written && performance.now() >= this.#dueAt) {
      this.written = false;
      this.#startedAt = performance.now();
      this.#page = 0;
    }
    return this.#page;
  }

  /** Between two walks, the last pages there were: most new rows are there or behind them. */
  lastPage(): number | null {
    return this.written ? this.#last : null;
  }

  /** Returns whether there is more to do at once. */
  goOn(next: number | null, pauseMs: number): boolean {
    if (next !== null) {
      // Beyond the last page a walk is one only if it began with the first.
      if (this.#page !== null) this.#page = next;
      this.#last = next;
      return true;
    }
    if (this.#page !== null) {
      this.#page = null;
      const now = performance.now();
      this.#dueAt = now + Math.max(pauseMs, PAUSE_FACTOR * (now - this.#startedAt));
    }
    return false;
  }
}

export class Compaction {
  readonly #database: Database;
  readonly #pauseMs: number;
  readonly #quietMs: number;
  readonly #producerIdleExpiryMs: number | null;
  readonly #producers = new Walk();
  readonly #idleProducers = new Walk();
  readonly #segments = new Walk();
  readonly #found = new Map<number, Found>();
  readonly #space: SegmentSpace;

  constructor(database: Database, options: CompactionOptions = {}) {
    this.#database = database;
    this.#pauseMs = options.pauseMs ?? PAUSE_MS;
    this.#quietMs = options.quietMs ?? QUIET_MS;
    this.#producerIdleExpiryMs = options.producerIdleExpiryMs ?? null;
    this.#space = new SegmentSpace(database, { pauseMs: this.#pauseMs });
  }

  /** Appends were committed since the last walks. */
  noteWrites(): void {
    this.#producers.written = this.#segments.written = true;
  }

  /** One bounded step. Returns whether there is more to do at once. */
  async step(): Promise<boolean> {
    const producers = await this.#sweepProducers();
    const idle = await this.#expireProducers();
    const segments = await this.#findSmallSegments();
    const merges = await this.#merge();
    if (merges) await this.#space.makeRoom();
    else if (!segments) await this.#space.giveBack();
    return producers || idle || segments || merges;
  }

  /** Whether streams wait to be merged, until they are closed or quiet or have grown. */
  get pending(): boolean {
    return this.#due.length > 0;
  }

  get #due(): [number, Found][] {
    return [...this.#found].filter(([, found]) => found.small >= SMALL_SEGMENTS);
  }

  async #sweepProducers(): Promise<boolean> {
    const page = this.#producers.nextPage();
    if (page === null) return false;
    const [row] = await this.#database.query<{ next: number | null }>(
      "select penstock.sweep_producers($1, $2) as next",
      [page, PAGES],
    );
    return this.#producers.goOn(row?.next ?? null, this.#pauseMs);
  }

  /** Time alone makes producers idle, so the walk is due without appends too. */
  async #expireProducers(): Promise<boolean> {
    const idleMs = this.#producerIdleExpiryMs;
    if (idleMs === null) return false;
    const walk = this.#idleProducers;
    walk.written = true;
    const page = walk.nextPage();
    if (page === null) return false;
    const [row] = await this.#database.query<{ next: number | null }>(
      "select penstock.expire_producers($1, $2, $3) as next",
      [page, PAGES, idleMs],
    );
    const pauseMs = Math.max(
      SHORTEST_EXPIRY_PAUSE_MS,
      Math.min(idleMs / 10, LONGEST_EXPIRY_PAUSE_MS),
    );
    return walk.goOn(row?.next ?? null, pauseMs);
  }

  async #findSmallSegments(): Promise<boolean> {
    const page = this.#segments.nextPage() ?? this.#segments.lastPage();
    if (page === null) return false;
    const rows = await this.#database.query<SmallRow>(
      "select * from penstock.find_small_segments($1, $2)",
      [page, PAGES],
    );
    for (const row of rows) this.#note(row);
    return this.#segments.goOn(rows[0]?.next_page ?? null, this.#pauseMs);
  }

  #note({ stream_id: id, first_position: first, small }: SmallRow): void {
    if (id === null) return;
    const found = this.#found.get(id);
    if (found !== undefined) {
      found.small += small;
      found.from = Math.min(found.from, first);
      return;
    }
    // With more, the first that were found are found again.
    if (this.#found.size >= REMEMBERED.streamsToMerge) {
      for (const oldest of this.#found.keys()) {
        this.#found.delete(oldest);
        break;
      }
    }
    this.#found.set(id, { small, from: first, tail: null, since: 0 });
  }

  async #merge(): Promise<boolean> {
    const due = this.#due;
    let finished = false;
    let more = false;
    for (const [id, found] of due.slice(0, MAX_VISITS)) {
      const outcome = await this.#mergeStream(id, found);
      // Others first, the next time.
      this.#found.delete(id);
      if (outcome === "finished") finished = true;
      else this.#found.set(id, found);
      if (outcome === "more") more = true;
    }
    return more || (finished && due.length > MAX_VISITS);
  }

  async #mergeStream(id: number, found: Found): Promise<"more" | "finished" | "waits"> {
    const now = performance.now();
    const quiet = found.tail !== null && now - found.since >= this.#quietMs;
    const [row] = await this.#database.query<MergedRow>(
      "select * from penstock.merge_segments($1, $2, $3::bigint, $4)",
      [id, found.from, quiet ? found.tail : null, MAX_SEGMENTS],
    );
    // The stream is gone, or another node is at it; if it is not done then, it is found again.
    if (row === undefined) return "finished";
    if (row.next_position > found.from || row.finished) this.#space.noteMerges();
    found.from = row.next_position;
    if (row.tail !== found.tail) {
      found.tail = row.tail;
      found.since = now;
    }
    if (row.finished) return "finished";
    return row.more ? "more" : "waits";
  }
}
