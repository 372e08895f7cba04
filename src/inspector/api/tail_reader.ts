/**
 * Follows a stream by catching up and long-polling: pages come as they are stored, and the next one
 * is asked for when the last has been taken, so a page that is slow to draw loses nothing.
 */
import { ApiError, asApiError, send } from "./request.ts";
import { streamUrl } from "./streams.ts";

/** Where to begin. */
export type TailStart =
  | { readonly kind: "offset"; readonly offset: string }
  /** The last messages, or bytes of a stream that is not JSON. */
  | { readonly kind: "last"; readonly count: number };

export interface Page {
  readonly bytes: Uint8Array;
  /** Where the next read begins. */
  readonly nextOffset: string;
  /** Where the page begins; null where nothing comes before it, or it is not said. */
  readonly startOffset: string | null;
  /** Whether it is what was there when the reader began. */
  readonly history: boolean;
}

export type TailState =
  | { readonly kind: "catching-up" }
  | { readonly kind: "live" }
  | { readonly kind: "paused" }
  | { readonly kind: "closed" }
  | {
    readonly kind: "retrying";
    readonly reason: string;
    readonly inMs: number;
  }
  | { readonly kind: "failed"; readonly error: ApiError };

export interface TailListener {
  page(page: Page): void;
  state(state: TailState): void;
}

/** Between two long-polls that bring something: twenty a second are live enough. Milliseconds. */
const PACE_MS = 50;
const LONGEST_BACKOFF_MS = 15_000;
/** No retry changes these. */
const FINAL = [400, 401, 403, 404, 410];

export class TailReader {
  readonly #path: string;
  readonly #listener: TailListener;
  readonly #start: TailStart;
  #offset: string | null = null;
  #caughtUp = false;
  #closed = false;
  #run: AbortController | null = null;

  constructor(path: string, start: TailStart, listener: TailListener) {
    this.#path = path;
    this.#start = start;
    this.#listener = listener;
    if (start.kind === "offset") this.#offset = start.offset;
  }

  /** Where the next read begins; null before the first page. */
  get offset(): string | null {
    return this.#offset;
  }

  /** Begins, or goes on where it was paused. */
  resume(): void {
    if (this.#run !== null || this.#closed) return;
    const run = new AbortController();
    this.#run = run;
    void this.#follow(run.signal);
  }

  /** Reads no further; what comes meanwhile is read on `resume`. */
  pause(): void {
    this.stop();
    if (!this.#closed) this.#listener.state({ kind: "paused" });
  }

  stop(): void {
    this.#run?.abort();
    this.#run = null;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let failures = 0;
    if (!this.#caughtUp) this.#listener.state({ kind: "catching-up" });
    while (!signal.aborted && !this.#closed) {
      try {
        const brought = await this.#readPage(signal);
        failures = 0;
        if (brought && this.#caughtUp) await pause(PACE_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        const refusal = asApiError(error);
        if (FINAL.includes(refusal.status)) {
          this.#run = null;
          return this.#listener.state({ kind: "failed", error: refusal });
        }
        const inMs = refusal.retryAfterMs ??
          Math.min(LONGEST_BACKOFF_MS, 500 * 2 ** failures++);
        this.#listener.state({
          kind: "retrying",
          reason: refusal.message,
          inMs,
        });
        await pause(inMs, signal);
        this.#caughtUp = false;
      }
    }
  }

  /** Returns whether there was something new. */
  async #readPage(signal: AbortSignal): Promise<boolean> {
    const live = this.#caughtUp;
    const response = await send("GET", streamUrl(this.#path, this.#query()), {
      signal,
    });
    const bytes = response.status === 204
      ? new Uint8Array()
      : new Uint8Array(await response.arrayBuffer());
    if (signal.aborted) return false;
    const { headers } = response;
    const next = headers.get("stream-next-offset");
    if (next === null) {
      throw new ApiError(
        0,
        "NO_OFFSET",
        "a response without Stream-Next-Offset",
      );
    }
    const startOffset = this.#offset ?? headers.get("stream-previous-offset");
    this.#offset = next;
    this.#closed = headers.get("stream-closed") === "true";
    const upToDate = this.#closed ||
      headers.get("stream-up-to-date") === "true";
    if (bytes.length > 0 || !live) {
      this.#listener.page({ bytes, nextOffset: next, startOffset, history: !live });
    }
    if (this.#closed) {
      this.#run = null;
      this.#listener.state({ kind: "closed" });
    } else if (upToDate && !this.#caughtUp) {
      this.#listener.state({ kind: "live" });
    }
    // A long-poll's page may be followed by more: those are read at once, by the next one.
    this.#caughtUp = this.#caughtUp || upToDate;
    return bytes.length > 0;
  }

  #query(): Record<string, string> {
    if (this.#offset === null) {
      const count = this.#start.kind === "last" ? this.#start.count : 0;
      return { tail: String(count) };
    }
    return this.#caughtUp ? { offset: this.#offset, live: "long-poll" } : { offset: this.#offset };
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
