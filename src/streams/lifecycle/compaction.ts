/**
 * What appends leave behind, since they only insert: superseded states of producers, which are deleted,
 * and small segments, of which those that lie side by side are merged. Both are found by walking through the
 * tables' pages, so that appends note nothing anywhere; any number of nodes may do it.
 */
import { REMEMBERED } from "../../limits.ts";
import type { Database } from "../../storage/database.ts";

/** Pages of a table in one step: 1 MiB. */
const PAGES = 128;
/** Between the ends of two walks, while there are appends. Milliseconds. */
const PRODUCERS_PAUSE_MS = 30_000;
/** New rows also take the room of deleted ones: the walk begins anew so often. Milliseconds. */
const SEGMENTS_RESTART_MS = 15 * 60_000;
/** Small segments that were found of a stream before it is worth a visit. */
const SMALL_SEGMENTS = 64;
/** A stream whose tail has not moved for so long is quiet. Milliseconds. */
const QUIET_MS = 30_000;
/** Streams visited and segments merged in one step. */
const MAX_VISITS = 50;
const MAX_SEGMENTS = 4000;

export interface CompactionOptions {
  readonly producersPauseMs?: number;
  readonly quietMs?: number;
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

export class Compaction {
  readonly #database: Database;
  readonly #producersPauseMs: number;
  readonly #quietMs: number;
  /** Where the walks are; null between two. A node that has just started walks both tables. */
  #producersPage: number | null = 0;
  #segmentsPage: number | null = 0;
  #lastSegmentsPage = 0;
  #producersWritten = false;
  #segmentsWritten = false;
  #producersDueAt = 0;
  #segmentsRestartAt = performance.now() + SEGMENTS_RESTART_MS;
  readonly #found = new Map<number, Found>();

  constructor(database: Database, options: CompactionOptions = {}) {
    this.#database = database;
    this.#producersPauseMs = options.producersPauseMs ?? PRODUCERS_PAUSE_MS;
    this.#quietMs = options.quietMs ?? QUIET_MS;
  }

  /** Appends were committed since the last walks. */
  noteWrites(): void {
    this.#producersWritten = this.#segmentsWritten = true;
  }

  /** One bounded step. Returns whether there is more to do at once. */
  async step(): Promise<boolean> {
    const producers = await this.#sweepProducers();
    const segments = await this.#findSmallSegments();
    const merges = await this.#merge();
    return producers || segments || merges;
  }

  /** Whether streams wait to be merged, until they are closed or quiet or have grown. */
  get pending(): boolean {
    return this.#due.length > 0;
  }

  get #due(): [number, Found][] {
    return [...this.#found].filter(([, found]) => found.small >= SMALL_SEGMENTS);
  }

  async #sweepProducers(): Promise<boolean> {
    if (this.#producersPage === null) {
      if (!this.#producersWritten || performance.now() < this.#producersDueAt) return false;
      this.#producersPage = 0;
    }
    if (this.#producersPage === 0) this.#producersWritten = false;
    const [row] = await this.#database.query<{ next: number | null }>(
      "select penstock.sweep_producers($1, $2) as next",
      [this.#producersPage, PAGES],
    );
    this.#producersPage = row?.next ?? null;
    if (this.#producersPage !== null) return true;
    this.#producersDueAt = performance.now() + this.#producersPauseMs;
    return false;
  }

  async #findSmallSegments(): Promise<boolean> {
    if (this.#segmentsPage === null) {
      if (!this.#segmentsWritten) return false;
      const restarts = performance.now() >= this.#segmentsRestartAt;
      if (restarts) this.#segmentsRestartAt = performance.now() + SEGMENTS_RESTART_MS;
      this.#segmentsPage = restarts ? 0 : this.#lastSegmentsPage;
      this.#segmentsWritten = false;
    }
    const rows = await this.#database.query<SmallRow>(
      "select * from penstock.find_small_segments($1, $2)",
      [this.#segmentsPage, PAGES],
    );
    for (const row of rows) this.#note(row);
    this.#lastSegmentsPage = this.#segmentsPage;
    this.#segmentsPage = rows[0]?.next_page ?? null;
    return this.#segmentsPage !== null;
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
    found.from = row.next_position;
    if (row.tail !== found.tail) {
      found.tail = row.tail;
      found.since = now;
    }
    if (row.finished) return "finished";
    return row.more ? "more" : "waits";
  }
}
