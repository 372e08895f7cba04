/** Pages of a stream's bytes: from memory where they are, else from Postgres by range scan. */
import { isJsonMode } from "../protocol/content_type.ts";
import { lastBoundary, MESSAGE_END } from "../protocol/json_mode.ts";
import { invalid, Refused } from "../outcome.ts";
import type { Database } from "../storage/database.ts";
import { Lineages } from "./lineages.ts";
import { Lanes } from "./lanes.ts";
import { concatenate, RecentBytes } from "./recent_bytes.ts";
import { readSegments, scanSegments } from "./segments.ts";
import type { StreamState } from "./stream_state.ts";

/** A catch-up answer is at most about this long; a larger JSON message comes whole. Bytes. */
export const PAGE_BYTES = 1 << 20;
/** From here on a load is worth planning a COPY for: measured, see docs/performance.md. */
const LARGE_LOAD_BYTES = 16 << 10;
/** Loads under way, beyond which nothing is read ahead: those who wait come first. */
const MOST_READ_AHEADS = 3;
/** Pages kept for readers who replay the same stream at about the same time. */
const COLD_BYTES = 8 << 20;

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

/** Reads of bytes that wait for the database, at most. */
const MOST_WAITING = 10_000;

const NOTHING = new Uint8Array(0);

export class Reader {
  readonly #database: Database;
  readonly #recent: RecentBytes;
  /** What catch-up loads, apart: one long replay must not drive out what followers wait for. */
  readonly #cold = new RecentBytes(COLD_BYTES);
  readonly #lineages: Lineages;
  /** Half of the connections: a thousand cold readers must not keep appends from theirs. */
  readonly #lanes: Lanes;
  /** Loads under way, shared by all who want the same. */
  readonly #loads = new Map<string, Promise<Uint8Array>>();

  constructor(database: Database, recent: RecentBytes) {
    this.#database = database;
    this.#recent = recent;
    this.#lineages = new Lineages(database);
    this.#lanes = new Lanes(Math.max(1, database.concurrency >> 1), MOST_WAITING);
  }

  /** The database may have lost bytes that are remembered here. */
  forget(): void {
    this.#recent.clear();
    this.#cold.clear();
    this.#lineages.forget();
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
    const atHand = this.pageAtHand(stream, start, extent, limit);
    if (atHand !== null) return atHand;
    const { tail, closed } = extent;
    if (start > tail) {
      throw new Refused(invalid("offset_beyond_tail", "the offset is beyond the stream's tail"));
    }
    const bytes = isJsonMode(stream.contentType)
      ? await this.#messages(stream, start, tail, limit)
      : await this.#range(stream, start, Math.min(tail, start + limit));
    const end = start + bytes.length;
    if (end < tail && end - start > LARGE_LOAD_BYTES) this.#readAhead(stream, end, tail);
    return { start, end, bytes, upToDate: end === tail, closed: closed && end === tail };
  }

  /** The page, where all of it is among the recent bytes; else null. */
  pageAtHand(stream: StreamState, start: number, extent: Extent, limit: number): Page | null {
    const { tail, closed } = extent;
    if (start === tail) return { start, end: start, bytes: NOTHING, upToDate: true, closed };
    const json = isJsonMode(stream.contentType);
    const lead = json && start > 0 ? 1 : 0;
    if (start > tail || start - lead < (stream.forkPosition ?? 0)) return null;
    const stop = Math.min(tail, start + limit);
    let bytes = this.#recent.get(stream.id, start - lead, stop);
    if (bytes === null || bytes.length < stop - start + lead) return null;
    if (json) {
      if (lead === 1 && bytes[0] !== MESSAGE_END) return null;
      const messages = bytes.subarray(lead);
      const length = lastBoundary(messages);
      if (length === 0) return null;
      bytes = messages.subarray(0, length);
    }
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
        const part = this.#kept(piece.id, reach, piece.stop) ??
          await this.#load(piece.id, reach, piece.stop);
        parts.push(part);
        reach += part.length;
        if (parts.length >= 64) return concatenate(parts);
      }
    }
    return concatenate(parts);
  }

  /** Whoever got a large page and not the last one will want the next: it loads meanwhile. */
  async #readAhead(stream: StreamState, start: number, tail: number): Promise<void> {
    if (this.#loads.size >= MOST_READ_AHEADS) return;
    try {
      const stop = Math.min(tail, start + PAGE_BYTES);
      const [piece] = await this.#lineages.pieces(stream, start, stop);
      if (piece === undefined || this.#recent.has(piece.id, start)) return;
      if (this.#cold.has(piece.id, start)) return;
      if (piece.stop - start > LARGE_LOAD_BYTES) await this.#load(piece.id, start, piece.stop);
    } catch {
      // Whoever asks for these bytes asks again, and is told.
    }
  }

  #kept(id: number, start: number, stop: number): Uint8Array | null {
    return this.#recent.get(id, start, stop) ?? this.#cold.get(id, start, stop);
  }

  #load(id: number, start: number, stop: number): Promise<Uint8Array> {
    const key = `${id} ${start} ${stop}`;
    let load = this.#loads.get(key);
    if (load === undefined) {
      load = this.#lanes.run(() => this.#query(id, start, stop)).finally(() =>
        this.#loads.delete(key)
      );
      this.#loads.set(key, load);
    }
    return load;
  }

  async #query(id: number, start: number, stop: number): Promise<Uint8Array> {
    // Where this thread is the database, whatever else has arrived gets its turn between pages.
    await this.#database.breathe();
    const large = stop - start > LARGE_LOAD_BYTES;
    const { first, bytes } = large
      ? await scanSegments(this.#database, id, start, stop)
      : await readSegments(this.#database, id, start, stop);
    if (large) this.#cold.adopt(id, first, bytes);
    else this.#recent.add(id, first, bytes);
    return bytes.subarray(start - first, stop - first);
  }
}
