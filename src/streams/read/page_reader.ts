/** Pages of a stream's bytes: from memory where they are, else from Postgres by range scan. */
import { yieldToEventLoop } from "../../lib/event_loop.ts";
import { isJsonMode } from "../../protocol/content_type.ts";
import { lastBoundary, MESSAGE_END } from "../../protocol/json_mode.ts";
import { ReferenceCounts } from "../../lib/reference_counts.ts";
import { invalid, Refused } from "../../errors.ts";
import type { Database } from "../../storage/database.ts";
import { ForkChains } from "./fork_chain.ts";
import { Semaphore } from "../../lib/semaphore.ts";
import { concatenate } from "../../lib/bytes.ts";
import { SegmentCache } from "./segment_cache.ts";
import { readSegments, scanSegments } from "./segments.ts";
import type { StreamState } from "../stream_state.ts";

/**
 * A catch-up answer is at most about this long; a larger JSON message comes whole. What a page costs
 * besides its bytes (a request, a look, a COPY) is as much as a third of a mebibyte does. Bytes.
 */
export const PAGE_BYTES = 4 << 20;
/** ... where nothing else is done while it is loaded, because the database runs on this thread. */
const PAGE_BYTES_ALONE = 1 << 20;
/** From here on a load is worth planning a COPY for: measured, see docs/performance.md. */
const LARGE_LOAD_BYTES = 16 << 10;
/** A page may end where a load does: to join it with the next would copy both, for every reader. */
const ENOUGH_BYTES = 512 << 10;
/** Loads under way, beyond which nothing is read ahead: those who wait come first. */
const MOST_READ_AHEADS = 3;
/**
 * Pages kept for readers who replay the same stream at about the same time. One load, which is a page
 * or a longer segment, has to be a third of this at most, or it is not kept.
 */
const COLD_BYTES = 16 << 20;

/** Stored bytes `[start, end)`. Views of shared memory: never to be written to. */
export interface Page {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array;
  /** Nothing more was stored when the page was made. */
  readonly upToDate: boolean;
  /** Nothing more ever will be: `upToDate`, of a closed stream. */
  readonly closed: boolean;
  /** To be called, once at most, when nobody looks at `bytes` any more: large ones are freed then. */
  readonly release?: () => void;
}

/** How far a stream reaches, at some moment. */
export interface Extent {
  readonly tail: number;
  readonly closed: boolean;
}

/** Of so many parts a page is made at most. */
const MOST_PARTS = 64;
/** Reads of bytes that wait for the database, at most. */
const MOST_WAITING = 10_000;

const NOTHING = new Uint8Array(0);

/** Bytes from `start` on, up to `stop`, of a stream that reaches to `tail`. */
interface Wanted {
  readonly start: number;
  readonly stop: number;
  readonly tail: number;
}

/** Of a range: its bytes will be held as often as they are waited for. */
interface Load {
  takers: number;
  readonly bytes: Promise<Uint8Array>;
}

export class PageReader {
  readonly #database: Database;
  readonly #recent: SegmentCache;
  readonly #holds = new ReferenceCounts();
  /** What catch-up loads, apart: one long replay must not drive out what followers wait for. */
  readonly #cold = new SegmentCache(COLD_BYTES, this.#holds);
  readonly #lineages: ForkChains;
  readonly #pageBytes: number;
  /** Half of the connections: a thousand cold readers must not keep appends from theirs. */
  readonly #lanes: Semaphore;
  /** Loads under way, shared by all who want the same. */
  readonly #loads = new Map<string, Load>();

  constructor(database: Database, recent: SegmentCache) {
    this.#database = database;
    this.#recent = recent;
    this.#lineages = new ForkChains(database);
    this.#pageBytes = database.kind === "embedded" ? PAGE_BYTES_ALONE : PAGE_BYTES;
    this.#lanes = new Semaphore(Math.max(1, database.concurrency >> 1), MOST_WAITING);
  }

  /** The database may have lost bytes that are remembered here. */
  forget(): void {
    this.#recent.clear();
    this.#cold.clear();
    this.#lineages.forget();
  }

  /**
   * The page that begins at `start`, `most` bytes or the rest of the stream.
   * @throws Refused `not_found` when the stream is being reaped, `invalid` when `start` is beyond
   * the tail or inside a JSON message
   */
  async page(
    stream: StreamState,
    start: number,
    extent: Extent = stream,
    most = PAGE_BYTES,
  ): Promise<Page> {
    const limit = Math.min(most, this.#pageBytes);
    const atHand = this.pageAtHand(stream, start, extent, limit);
    if (atHand !== null) return atHand;
    const { tail, closed } = extent;
    if (start > tail) {
      throw new Refused(invalid("OFFSET_BEYOND_TAIL", "the offset is beyond the stream's tail"));
    }
    const bytes = isJsonMode(stream.contentType)
      ? await this.#messages(stream, start, tail, limit)
      : await this.#range(stream, { start, stop: Math.min(tail, start + limit), tail });
    const end = start + bytes.length;
    // Whoever asks for bytes that cannot be had asks again, and is told why.
    if (end - start > LARGE_LOAD_BYTES) this.#readAhead(stream, end, tail).catch(() => {});
    const release = () => this.#holds.release(bytes);
    return { start, end, bytes, upToDate: end === tail, closed: closed && end === tail, release };
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

  /** Whole messages, held: the byte before a page ends a message, and so does the page's last. */
  async #messages(
    stream: StreamState,
    start: number,
    tail: number,
    limit: number,
  ): Promise<Uint8Array> {
    const lead = start > 0 && !await this.#knownBoundary(stream, start) ? 1 : 0;
    let stop = Math.min(tail, start + limit);
    while (true) {
      const bytes = await this.#range(stream, { start: start - lead, stop, tail });
      if (lead === 1 && bytes[0] !== MESSAGE_END) {
        throw new Refused(invalid("OFFSET_INSIDE_MESSAGE", "the offset is inside a message"));
      }
      const messages = bytes.subarray(lead);
      const end = lastBoundary(messages);
      if (end > 0) return messages.subarray(0, end);
      // One message larger than the page: it comes whole, however large an append may be.
      if (stop === tail) throw new Refused({ kind: "not_found" });
      this.#holds.release(bytes);
      stop = Math.min(tail, start + 2 * (stop - start));
    }
  }

  /** Whether the byte before `start` is at hand, and ends a message. */
  async #knownBoundary(stream: StreamState, start: number): Promise<boolean> {
    for (const { id } of await this.#lineages.pieces(stream, start - 1, start)) {
      const byte = this.#recent.get(id, start - 1, start) ?? this.#cold.view(id, start - 1, start);
      return byte?.[0] === MESSAGE_END;
    }
    return false;
  }

  /** Bytes from `start` on, up to `stop`: all of them, or as many as come without a copy; held. */
  async #range(stream: StreamState, { start, stop, tail }: Wanted): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let reach = start;
    // A whole page is loaded even where a part of it is kept: the next one will want the rest.
    const page = this.#pageBytes;
    const most = stop - start < page ? stop : Math.min(tail, stop + page);
    for (const { id, stop: end } of await this.#lineages.pieces(stream, start, most)) {
      while (reach < Math.min(end, stop) && parts.length < MOST_PARTS) {
        const part = this.#kept(id, reach, Math.min(end, stop)) ??
          await this.#load(id, reach, Math.min(end, Math.max(stop, reach + page)));
        parts.push(part.subarray(0, stop - reach));
        reach += parts.at(-1)!.length;
        const enough = Math.min(ENOUGH_BYTES, stop - start >> 1);
        if (parts.length === 1 && reach - start >= enough && enough > LARGE_LOAD_BYTES) {
          return parts[0]!;
        }
      }
    }
    if (parts.length === 1) return parts[0]!;
    const whole = concatenate(parts);
    this.#holds.hold(whole);
    for (const part of parts) this.#holds.release(part);
    return whole;
  }

  /**
   * Whoever got a large page and not the last one will want the next: PostgreSQL is at work on it
   * while this one is sent.
   */
  async #readAhead(stream: StreamState, start: number, tail: number): Promise<void> {
    const most = Math.min(tail, start + 2 * this.#pageBytes);
    let reach = start;
    for (const { id, stop } of await this.#lineages.pieces(stream, start, most)) {
      reach = Math.max(this.#recent.reach(id, reach), this.#cold.reach(id, reach));
      if (reach >= start + (this.#pageBytes >> 1)) return;
      if (reach >= stop) continue;
      const end = Math.min(stop, reach + this.#pageBytes);
      if (end - reach <= LARGE_LOAD_BYTES || this.#loads.size >= MOST_READ_AHEADS) return;
      return this.#holds.release(await this.#load(id, reach, end));
    }
  }

  /** Held where they are a large load's. */
  #kept(id: number, start: number, stop: number): Uint8Array | null {
    const recent = this.#recent.get(id, start, stop);
    if (recent !== null) return recent;
    const cold = this.#cold.view(id, start, stop);
    if (cold !== null) this.#holds.hold(cold);
    return cold;
  }

  /** The bytes; those of a large load held. */
  #load(id: number, start: number, stop: number): Promise<Uint8Array> {
    const key = `${id} ${start} ${stop}`;
    const under = this.#loads.get(key);
    if (under !== undefined) {
      under.takers++;
      return under.bytes;
    }
    // From then on, whoever wants them finds them kept.
    const end = (): number => {
      if (this.#loads.get(key) === load) this.#loads.delete(key);
      return load.takers;
    };
    const bytes = this.#lanes.run(() => this.#query(id, start, stop, end));
    const load: Load = { takers: 1, bytes };
    this.#loads.set(key, load);
    bytes.catch(end);
    return bytes;
  }

  async #query(
    id: number,
    start: number,
    stop: number,
    end: () => number,
  ): Promise<Uint8Array> {
    // Where this thread is the database, whatever else has arrived gets its turn between pages.
    await yieldToEventLoop();
    const large = stop - start > LARGE_LOAD_BYTES;
    const { first, bytes } = large
      ? await scanSegments(this.#database, id, start, stop)
      : await readSegments(this.#database, id, start, stop);
    const takers = end();
    if (large) {
      this.#holds.hold(bytes, takers);
      this.#cold.adopt(id, first, bytes);
    } else {
      this.#recent.add(id, first, bytes);
    }
    return bytes.subarray(start - first, stop - first);
  }
}
