/**
 * What caches may do with a page (section 10.1). Bytes at a position never change, so a page that is
 * followed by more stays true. One that reaches the tail does not: the next append, the close and the
 * DELETE change the answer at its URL. It may be kept, but is asked for again each time, which costs
 * a 304 by its ETag.
 */
import type { Page } from "../streams/read/page_reader.ts";
import type { StreamState } from "../streams/stream_state.ts";
import { NO_STORE } from "./respond.ts";

/** `public`: any cache; `private`: a browser's own; `no-store`: none. */
export type CacheControl = "public" | "private" | "no-store";

/** Seconds a page is fresh, and seconds more that it may be used while it is asked for again. */
const MAX_AGE = 60;
const STALE = 300;

export class CachePolicy {
  readonly #allowed: CacheControl;
  readonly #revalidated: string;

  constructor(allowed: CacheControl) {
    this.#allowed = allowed;
    this.#revalidated = allowed === "no-store"
      ? NO_STORE
      : allowed === "private"
      ? "private, no-cache"
      : "no-cache";
  }

  /** The Cache-Control of a page that was asked for by its offset. */
  page(stream: StreamState, page: Pick<Page, "upToDate">): string {
    return page.upToDate ? this.#revalidated : this.#lasting(stream);
  }

  /**
   * The same of a long-poll whose URL has a cursor: its key changes every 20 s (section 10.1), so that
   * a cache may give one response to all clients that wait at one offset. It stays true as far as it
   * goes.
   */
  collapsed(stream: StreamState): string {
    return this.#lasting(stream);
  }

  /** A response that is one reader's, or is over when it has been sent. */
  get follow(): string {
    return this.#allowed === "no-store" ? NO_STORE : "no-cache";
  }

  /** No cache shows a page for longer than the stream lives. */
  #lasting(stream: StreamState): string {
    if (this.#allowed === NO_STORE) return NO_STORE;
    const left = secondsLeft(stream);
    const fresh = Math.min(MAX_AGE, left);
    if (fresh <= 0) return this.#revalidated;
    const stale = Math.min(STALE, left - fresh);
    const revalidation = stale > 0 ? `, stale-while-revalidate=${stale}` : "";
    return `${this.#allowed}, max-age=${fresh}${revalidation}`;
  }
}

/**
 * Whole seconds that a stream will live at least; a TTL has begun again with this read. An expiry is
 * counted by this machine's clock: a query for the database's would cost more than a page.
 */
function secondsLeft({ ttlSeconds, expiresAtMs }: StreamState): number {
  if (expiresAtMs !== null) return Math.floor((expiresAtMs - Date.now()) / 1000);
  return ttlSeconds ?? Infinity;
}
