/**
 * Plans a page without touching any bytes: which range it wants, what is loaded for it, when it may
 * end early, and where JSON messages let it end. Pure; `PageReader` executes the plan.
 */
import { lastBoundary, MESSAGE_END } from "../../protocol/json_mode.ts";

/**
 * The approximate limit of a catch-up answer, which a larger JSON message may exceed. The fixed
 * cost of a page (a request, a state load, a COPY) equals that of a third of a mebibyte. Bytes.
 */
const PAGE_BYTES = 4 << 20;
/** The same for an embedded database, which blocks this thread while it loads. Bytes. */
const EMBEDDED_PAGE_BYTES = 1 << 20;
/** Longer loads than this are faster by COPY: measured, see docs/performance.md. Bytes. */
export const LARGE_LOAD_BYTES = 16 << 10;
/**
 * A page of at least this length may end where a load does: joining it with the next load would
 * copy both, for every reader. Bytes.
 */
const EARLY_END_BYTES = 512 << 10;
/** The most parts of a page, which could otherwise be made of very many tiny cached segments. */
const MAX_PARTS = 64;

/** The longest page that a database of this kind is asked for, in bytes. */
export function maxPageBytes(database: "postgres" | "embedded"): number {
  return database === "embedded" ? EMBEDDED_PAGE_BYTES : PAGE_BYTES;
}

export interface PageRange {
  /** The position at which the page begins. */
  readonly start: number;
  /** The last position at which it may end. */
  readonly stop: number;
  /** The stream's tail. */
  readonly tail: number;
  /** The most bytes of one load. */
  readonly pageBytes: number;
}

/** The next part that the page needs. */
export interface WantedPart {
  readonly start: number;
  /** The end of the part. */
  readonly stop: number;
  /** The end of the load if the part is not cached: the next page will need the rest. */
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

  /** The last position that loads for this page may reach: the fork chain is needed up to there. */
  get loadStop(): number {
    const { start, stop, tail, pageBytes } = this.#range;
    // A whole page is loaded even where a part of it is cached.
    return stop - start < pageBytes ? stop : Math.min(tail, stop + pageBytes);
  }

  /** Whether the page is complete, or long enough to be sent. */
  get done(): boolean {
    return this.#reach >= this.#range.stop || this.#parts >= MAX_PARTS || this.#mayEndEarly;
  }

  /** The next part from the stream that holds the bytes up to `segmentStop`, or null. */
  next(segmentStop: number): WantedPart | null {
    if (this.done || this.#reach >= segmentStop) return null;
    const { stop, pageBytes } = this.#range;
    return {
      start: this.#reach,
      stop: Math.min(segmentStop, stop),
      loadStop: Math.min(segmentStop, Math.max(stop, this.#reach + pageBytes)),
    };
  }

  /** Adds the wanted part, of which `available` bytes were found. Returns how many are used. */
  take(available: number): number {
    const taken = Math.min(available, this.#range.stop - this.#reach);
    this.#reach += taken;
    this.#parts++;
    return taken;
  }

  /** Whether the first part is long enough to be a page by itself, which needs no copy. */
  get #mayEndEarly(): boolean {
    const { start, stop } = this.#range;
    const enough = Math.min(EARLY_END_BYTES, stop - start >> 1);
    return this.#parts === 1 && enough > LARGE_LOAD_BYTES && this.#reach - start >= enough;
  }
}

/**
 * The whole messages at the beginning of `bytes`.
 * @param lead how many bytes before the page's start come first: 0, or 1 to check that this byte
 * ends a message
 * @returns `inside_message` when it does not, `incomplete` when no message ends in `bytes`
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

/** A later end for a page whose first message is longer than the page, and must be sent whole. */
export function longerStop({ start, stop, tail }: Omit<PageRange, "pageBytes">): number {
  return Math.min(tail, start + 2 * (stop - start));
}

/** A range of the stream `id`. */
export interface LoadRange {
  readonly id: number;
  readonly start: number;
  readonly stop: number;
}

/** The last position to read ahead for a page that begins at `start`. */
export function readAheadStop({ start, tail, pageBytes }: Omit<PageRange, "stop">): number {
  return Math.min(tail, start + 2 * pageBytes);
}

/**
 * The range to load while the page before `start` is sent; null when enough is cached or too little
 * is left.
 * @param chain the streams that hold `[start, readAheadStop)`, in ascending order
 * @param cachedReach the position up to which a stream's bytes are cached from a given one on
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
