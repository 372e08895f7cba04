/**
 * How a page is made, without any bytes: which range it asks for, what is loaded for it, when it may
 * end early, and where JSON messages let it end. Pure; `PageReader` carries the plan out.
 */
import { lastBoundary, MESSAGE_END } from "../../protocol/json_mode.ts";

/**
 * A catch-up answer is at most about this long; a larger JSON message comes whole. What a page costs
 * besides its bytes (a request, a state load, a COPY) is as much as a third of a mebibyte does. Bytes.
 */
const PAGE_BYTES = 4 << 20;
/** The same where the database runs on this thread, which does nothing else while it loads. Bytes. */
const EMBEDDED_PAGE_BYTES = 1 << 20;
/** Loads longer than this are worth planning a COPY for: measured, see docs/performance.md. */
export const LARGE_LOAD_BYTES = 16 << 10;
/** A page may end where a load does: to join it with the next would copy both, for every reader. */
const EARLY_END_BYTES = 512 << 10;
/** Tiny cached segments are many: a page is made of so many parts at most. */
const MAX_PARTS = 64;

/** The longest page that a database of this kind is asked for, in bytes. */
export function maxPageBytes(database: "postgres" | "embedded"): number {
  return database === "embedded" ? EMBEDDED_PAGE_BYTES : PAGE_BYTES;
}

export interface PageRange {
  /** Where the page begins. */
  readonly start: number;
  /** Where it ends at the latest. */
  readonly stop: number;
  /** How far the stream reaches. */
  readonly tail: number;
  /** How much is loaded at once, at most. */
  readonly pageBytes: number;
}

/** A part of the page that is wanted next. */
export interface WantedPart {
  readonly start: number;
  /** How much of it the page takes. */
  readonly stop: number;
  /** How far to load where it is not cached: the next page will want what this one leaves. */
  readonly loadStop: number;
}

/** The parts of one page, in ascending order. */
export class PagePlan {
  readonly #range: PageRange;
  #reach: number;
  #parts = 0;

  constructor(range: PageRange) {
    this.#range = range;
    this.#reach = range.start;
  }

  /** How far loads for this page may reach, and so how far the fork chain has to be known. */
  get loadStop(): number {
    const { start, stop, tail, pageBytes } = this.#range;
    // A whole page is loaded even where a part of it is cached.
    return stop - start < pageBytes ? stop : Math.min(tail, stop + pageBytes);
  }

  /** Whether the page is complete, or long enough to be sent as it is. */
  get done(): boolean {
    return this.#reach >= this.#range.stop || this.#parts >= MAX_PARTS || this.#mayEndEarly;
  }

  /** What is wanted next of the stream that holds the bytes up to `segmentStop`, or null. */
  next(segmentStop: number): WantedPart | null {
    if (this.done || this.#reach >= segmentStop) return null;
    const { stop, pageBytes } = this.#range;
    return {
      start: this.#reach,
      stop: Math.min(segmentStop, stop),
      loadStop: Math.min(segmentStop, Math.max(stop, this.#reach + pageBytes)),
    };
  }

  /** So many bytes of the wanted part are there, perhaps more. Returns how many the page takes. */
  take(available: number): number {
    const taken = Math.min(available, this.#range.stop - this.#reach);
    this.#reach += taken;
    this.#parts++;
    return taken;
  }

  /** A first part that is long enough is a page by itself, and takes no copy. */
  get #mayEndEarly(): boolean {
    const { start, stop } = this.#range;
    const enough = Math.min(EARLY_END_BYTES, stop - start >> 1);
    return this.#parts === 1 && enough > LARGE_LOAD_BYTES && this.#reach - start >= enough;
  }
}

/**
 * The whole messages at the beginning of `bytes`.
 * @param lead how many bytes before the page's start come first: 0, or 1 to see that it ends a
 * message
 * @returns `inside_message` when it does not, `incomplete` when not even one message ends here
 */
export function wholeMessages(
  bytes: Uint8Array,
  lead: 0 | 1,
): Uint8Array | "inside_message" | "incomplete" {
  if (lead === 1 && bytes[0] !== MESSAGE_END) return "inside_message";
  const messages = bytes.subarray(lead);
  const length = lastBoundary(messages);
  return length === 0 ? "incomplete" : messages.subarray(0, length);
}

/** Where to end instead when the message at `start` goes on beyond `stop`: it comes whole. */
export function longerStop({ start, stop, tail }: Omit<PageRange, "pageBytes">): number {
  return Math.min(tail, start + 2 * (stop - start));
}

/** A range of the stream `id`. */
export interface LoadRange {
  readonly id: number;
  readonly start: number;
  readonly stop: number;
}

/** How far what is read ahead for a page from `start` on may reach. */
export function readAheadStop({ start, tail, pageBytes }: Omit<PageRange, "stop">): number {
  return Math.min(tail, start + 2 * pageBytes);
}

/**
 * What to load while the page before `start` is sent, or null when enough is cached or too little
 * is left.
 * @param chain the streams that hold `[start, readAheadStop)`, in ascending order
 * @param cachedReach how far the bytes of a stream from a position on are cached
 */
export function planReadAhead(
  chain: readonly LoadRange[],
  { start, pageBytes }: Pick<PageRange, "start" | "pageBytes">,
  cachedReach: (id: number, position: number) => number,
): LoadRange | null {
  let reach = start;
  for (const { id, stop } of chain) {
    reach = cachedReach(id, reach);
    if (reach >= start + (pageBytes >> 1)) return null;
    if (reach >= stop) continue;
    const end = Math.min(stop, reach + pageBytes);
    return end - reach <= LARGE_LOAD_BYTES ? null : { id, start: reach, stop: end };
  }
  return null;
}
