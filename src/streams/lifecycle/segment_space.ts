/**
 * Gives the room of merged segments back to the disk. Merging leaves pages that VACUUM empties: those at the
 * end of the table are cut off, those before a segment are not, and the index never gets smaller. So the
 * last segments are moved to the front, the table is vacuumed again, and its index is built anew.
 *
 * Of large tables none of it is done: there autovacuum frees the room, and what is appended next uses it.
 */
import type { Database } from "../../storage/database.ts";

/** Between two rounds; between two VACUUMs so many times as long as one took, or this. Milliseconds. */
const PAUSE_MS = 30_000;
const PAUSE_FACTOR = 20;
/** The longest pause, while an old snapshot keeps the room, or locks are not free. Milliseconds. */
const LONGEST_PAUSE_MS = 600_000;
/** VACUUM reads what has changed in a table of this size in less than a second. */
const MAX_TABLE_BYTES = 256 << 20;

/**
 * With few dead rows PostgreSQL leaves their line pointers, and a page that has one cannot be cut: unless
 * the index is cleaned too.
 */
const VACUUM = "vacuum (skip_locked, index_cleanup on) penstock.segments";

export class SegmentSpace {
  readonly #database: Database;
  readonly #shortestPauseMs: number;
  #pauseMs: number;
  #merged = false;
  #vacuumDueAt = 0;
  #dueAt = 0;

  constructor(database: Database, { pauseMs = PAUSE_MS }: { readonly pauseMs?: number } = {}) {
    this.#database = database;
    this.#shortestPauseMs = this.#pauseMs = pauseMs;
  }

  /** Segments were merged: there is room to give back. */
  noteMerges(): void {
    this.#merged = true;
  }

  /**
   * While there is more to merge: makes room at the front of the table, so that what is merged next
   * goes there. It is skipped when the last time is not long ago.
   */
  async makeRoom(): Promise<void> {
    if (!this.#merged || performance.now() < this.#vacuumDueAt) return;
    await this.#vacuum();
  }

  /** When there is nothing to merge for now. */
  async giveBack(): Promise<void> {
    if (!this.#merged || performance.now() < Math.max(this.#dueAt, this.#vacuumDueAt)) return;
    this.#merged = false;
    if (!await this.#vacuum()) return;
    const [packed] = await this.#database.query<{ moved: number | null }>(
      "select penstock.pack_segments() as moved",
    );
    if (packed!.moved) await this.#vacuum();
    const [index] = await this.#database.query<{ built: boolean | null }>(
      "select penstock.rebuild_segment_index() as built",
    );
    const hindered = packed!.moved === null || index!.built === null;
    // Where rows were moved, more may lie before them.
    if (hindered || packed!.moved !== 0) this.#merged = true;
    this.#pauseMs = hindered
      ? Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS)
      : this.#shortestPauseMs;
    this.#dueAt = performance.now() + this.#pauseMs;
  }

  /** Returns whether the table is small enough. */
  async #vacuum(): Promise<boolean> {
    const [row] = await this.#database.query<{ bytes: number }>(
      "select pg_relation_size('penstock.segments') as bytes",
    );
    if (row!.bytes > MAX_TABLE_BYTES) return false;
    const startedAt = performance.now();
    await this.#database.execute(VACUUM);
    const now = performance.now();
    this.#vacuumDueAt = now + Math.min(this.#shortestPauseMs, PAUSE_FACTOR * (now - startedAt));
    return true;
  }
}
