/** Pages of a stream's bytes: from memory where they are, else from Postgres by range scan. */
import { isJsonMode } from "../protocol/content_type.ts";
import { lastBoundary, MESSAGE_END } from "../protocol/json_mode.ts";
import { invalid, Refused } from "../outcome.ts";
import type { Database } from "../storage/database.ts";
import { Lineages } from "./lineages.ts";
import { concatenate, type RecentBytes } from "./recent_bytes.ts";
import type { StreamState } from "./stream_state.ts";

/** A catch-up answer is at most about this long; a larger JSON message comes whole. Bytes. */
export const PAGE_BYTES = 4 << 20;
/** Tiny segments are many: a page ends here too. */
const PAGE_SEGMENTS = 8192;

/** Stored bytes `[start, end)`. Views of shared memory: never to be written to. */
export interface Page {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  /** Nothing more was stored when the page was made. */
  readonly upToDate: boolean;
  /** Nothing more ever will be: `upToDate`, of a closed stream. */
  readonly closed: boolean;
}

/** How far a stream reaches, at some moment. */
export interface Extent {
  readonly tail: number;
  readonly closed: boolean;
}

const NOTHING = new Uint8Array(0);

export class Reader {
  readonly #database: Database;
  readonly #recent: RecentBytes;
  readonly #lineages: Lineages;
  /** Loads under way, shared by all who want the same. */
  readonly #loads = new Map<string, Promise<Uint8Array>>();

  constructor(database: Database, recent: RecentBytes) {
    this.#database = database;
    this.#recent = recent;
    this.#lineages = new Lineages(database);
  }

  /**
   * The page that begins at `start`, `limit` bytes or the rest of the stream.
   * @throws Refused `not_found` when the stream is being reaped, `invalid` when `start` is beyond
   * the tail or inside a JSON message
   */
  async page(
    stream: StreamState,
    start: number,
    extent: Extent = stream,
    limit = PAGE_BYTES,
  ): Promise<Page> {
    const { tail, closed } = extent;
    if (start > tail) {
      throw new Refused(invalid("offset_beyond_tail", "the offset is beyond the stream's tail"));
    }
    if (start === tail) return { start, end: start, bytes: NOTHING, upToDate: true, closed };
    const bytes = isJsonMode(stream.contentType)
      ? await this.#messages(stream, start, tail, limit)
      : await this.#range(stream, start, Math.min(tail, start + limit));
    const end = start + bytes.length;
    return { start, end, bytes, upToDate: end === tail, closed: closed && end === tail };
  }

  /** Whole messages: the byte before a page ends a message, and so does the page's last. */
  async #messages(
    stream: StreamState,
    start: number,
    tail: number,
    limit: number,
  ): Promise<Uint8Array> {
    const lead = start > 0 ? 1 : 0;
    let stop = Math.min(tail, start + limit);
    while (true) {
      const bytes = await this.#range(stream, start - lead, stop);
      if (lead === 1 && bytes[0] !== MESSAGE_END) {
        throw new Refused(invalid("offset_inside_message", "the offset is inside a message"));
      }
      const messages = bytes.subarray(lead);
      const end = lastBoundary(messages);
      if (end > 0) return messages.subarray(0, end);
      // One message larger than the page: it comes whole, however large an append may be.
      if (stop === tail) throw new Refused({ kind: "not_found" });
      stop = Math.min(tail, start + 2 * (stop - start));
    }
  }

  /** At least one byte of `[start, stop)`, all of it as a rule. */
  async #range(stream: StreamState, start: number, stop: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let reach = start;
    for (const piece of await this.#lineages.pieces(stream, start, stop)) {
      while (reach < piece.stop) {
        const part = this.#recent.get(piece.id, reach, piece.stop) ??
          await this.#load(piece.id, reach, piece.stop);
        parts.push(part);
        reach += part.length;
        if (parts.length >= 64) return concatenate(parts);
      }
    }
    return concatenate(parts);
  }

  #load(id: number, start: number, stop: number): Promise<Uint8Array> {
    const key = `${id} ${start} ${stop}`;
    let load = this.#loads.get(key);
    if (load === undefined) {
      load = this.#query(id, start, stop).finally(() => this.#loads.delete(key));
      this.#loads.set(key, load);
    }
    return load;
  }

  async #query(id: number, start: number, stop: number): Promise<Uint8Array> {
    const [row] = await this.#database.query<{ first: number; data: Uint8Array; whole: boolean }>(
      "select first, data, whole from penstock.read_segments($1, $2, $3, $4)",
      [id, start, stop, PAGE_SEGMENTS],
    );
    const covers = row !== undefined && row.whole && row.first <= start &&
      row.first + row.data.length > start;
    // The row said these bytes exist: they are missing only when the sweep is taking them away.
    if (!covers) throw new Refused({ kind: "not_found" });
    this.#recent.add(id, row.first, row.data);
    return row.data.subarray(start - row.first, stop - row.first);
  }
}
