/**
 * Strict looks at streams' rows, coalesced: everyone who asks while a look is under way shares the
 * next one. A look that left before somebody asked never answers them, so no answer is stale, on
 * any node, and a thousand readers cost one query.
 */
import { yieldToEventLoop } from "../lib/event_loop.ts";
import { Overloaded } from "../errors.ts";
import { type Database, numberArray, StatementTimeout, textArray } from "../storage/database.ts";
import { stateOf, type StreamRow, type StreamState } from "./stream_state.ts";

const BY_PATH = "select * from penstock.look($1::text[])";
const CHANGED = `select followed_id, (stream).*
  from penstock.changed_streams($1::bigint[], $2::bigint[], $3::boolean[])`;

/** A path a query; more wait for the next. */
const LARGEST_LOOK = 5000;
/** Askers that wait, at most. */
const MOST_WAITING = 20_000;

/** A stream as its followers know it. */
export interface KnownStream {
  readonly id: number;
  readonly tail: number;
  readonly closed: boolean;
}

interface Asker {
  readonly path: string;
  /** The look stands for a read: it keeps the stream alive. */
  readonly slides: boolean;
  resolve(state: StreamState | null): void;
  reject(error: unknown): void;
}

export class StateLoader {
  readonly #database: Database;
  #waiting: Asker[] = [];
  #underWay = 0;
  #leaving = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The stream living at `path` now, or null. HEAD and other looks that are not reads. */
  look(path: string): Promise<StreamState | null> {
    return this.#ask(path, false);
  }

  /** As `look`, and moves the TTL window: a read (section 5.1, Stream-TTL). */
  loadForRead(path: string): Promise<StreamState | null> {
    return this.#ask(path, true);
  }

  /** One query of its own for many paths, as they are now. */
  async loadAll(paths: readonly string[]): Promise<Map<string, StreamState>> {
    const rows = await this.#database.hedged<StreamRow>(BY_PATH, [textArray(paths)]);
    return new Map(rows.map((row) => [row.path, stateOf(row)]));
  }

  /**
   * Of these streams, those that differ from what is known of them: dead ones included, null for
   * one that has been reaped. Followed streams slide.
   */
  async changed(known: readonly KnownStream[]): Promise<Map<number, StreamState | null>> {
    const rows = await this.#database.hedged<StreamRow & { followed_id: number }>(CHANGED, [
      numberArray(known.map((stream) => stream.id)),
      numberArray(known.map((stream) => stream.tail)),
      numberArray(known.map((stream) => stream.closed)),
    ]);
    await this.#slide(rows.filter((row) => row.slides && !row.expired).map((row) => row.id));
    return new Map(
      rows.map((row) => [row.followed_id, row.id === null ? null : stateOf(row)] as const),
    );
  }

  #ask(path: string, slides: boolean): Promise<StreamState | null> {
    if (this.#waiting.length >= MOST_WAITING) {
      return Promise.reject(new Overloaded("too many reads wait for the database"));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ path, slides, resolve, reject });
      this.#leave();
    });
  }

  #leave(): void {
    const lanes = this.#database.concurrency > 1 ? 2 : 1;
    if (this.#leaving || this.#underWay >= lanes || this.#waiting.length === 0) return;
    this.#leaving = true;
    yieldToEventLoop().then(() => {
      this.#leaving = false;
      const askers = this.#waiting.splice(0, LARGEST_LOOK);
      this.#underWay++;
      this.#answer(askers).finally(() => {
        this.#underWay--;
        this.#leave();
      });
    });
  }

  async #answer(askers: Asker[]): Promise<void> {
    try {
      const slides = new Set<string>();
      const paths = new Set<string>();
      for (const asker of askers) {
        paths.add(asker.path);
        if (asker.slides) slides.add(asker.path);
      }
      const states = await this.loadAll([...paths]).catch((error) => {
        // Those who wait for the next look have waited for this one: nobody waits for two.
        if (error instanceof StatementTimeout) askers.push(...this.#waiting.splice(0));
        throw error;
      });
      const slide = [...states.values()].filter((state) =>
        state.slides && !state.expired && slides.has(state.path)
      );
      if (slide.length > 0) {
        await this.#slide(slide.map((state) => state.id));
        // One that expired in between has not been moved: whoever reads it must not be told that
        // it lives on.
        const slid = await this.loadAll(slide.map((state) => state.path));
        for (const { path } of slide) {
          const state = slid.get(path);
          if (state === undefined) states.delete(path);
          else states.set(path, state);
        }
      }
      for (const asker of askers) asker.resolve(states.get(asker.path) ?? null);
    } catch (error) {
      for (const asker of askers) asker.reject(error);
    }
  }

  async #slide(ids: number[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#database.hedged("select penstock.slide($1::bigint[])", [
      numberArray(ids.sort((a, b) => a - b)),
    ]);
  }
}
