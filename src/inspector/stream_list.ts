/** The streams that a filter finds, page by page as they come into sight, and how fast each grows. */
import { signal } from "@preact/signals";
import { type ApiError, asApiError } from "./api/request.ts";
import {
  type Filter,
  listStreams,
  readUsage,
  type StreamEntry,
  type Usage,
} from "./api/streams.ts";
import { positionOf } from "./model/format.ts";

const PAGE = 1000;
/** How many rows in sight are asked for again, at most. */
const MOST_REFRESHED = 200;

export class StreamList {
  readonly rows = signal<readonly StreamEntry[]>([]);
  readonly complete = signal(false);
  readonly loading = signal(false);
  readonly error = signal<ApiError | null>(null);
  readonly usage = signal<Usage | null>(null);
  /** Bytes per second, by path; of streams in sight. */
  readonly rates = signal<ReadonlyMap<string, number>>(new Map());
  readonly #filter: Filter;
  readonly #run = new AbortController();
  readonly #seen = new Map<
    string,
    { readonly position: number; readonly at: number }
  >();
  #after: string | null = null;

  constructor(filter: Filter) {
    this.#filter = filter;
    void this.more();
    void this.#readUsage();
  }

  dispose(): void {
    this.#run.abort();
  }

  /** Loads the next page. */
  async more(): Promise<void> {
    if (this.loading.value || this.complete.value) return;
    this.loading.value = true;
    try {
      const { signal } = this.#run;
      const page = await listStreams(this.#filter, {
        after: this.#after,
        limit: PAGE,
        signal,
      });
      this.#measure(page.streams);
      this.rows.value = this.rows.value.concat(page.streams);
      this.#after = page.next_after;
      this.complete.value = page.next_after === null;
      this.error.value = null;
    } catch (error) {
      if (!this.#run.signal.aborted) this.error.value = asApiError(error);
    } finally {
      this.loading.value = false;
    }
  }

  /** Asks for the rows in sight once more: what has grown, and what has gone. */
  async refresh(start: number, end: number): Promise<void> {
    const rows = this.rows.value;
    const last = Math.min(end, start + MOST_REFRESHED);
    const after = start === 0 ? null : rows[start - 1]?.path ?? null;
    try {
      const { signal } = this.#run;
      const limit = Math.max(1, last - start);
      const page = await listStreams(this.#filter, { after, limit, signal });
      if (this.rows.value !== rows) return;
      const rest = rows.slice(last);
      const next = page.streams.at(-1)?.path;
      // Streams that are new push others down, past the page's end: those are in the rest already.
      const following = next === undefined || page.next_after === null
        ? []
        : rest.filter(({ path }) => path > next);
      this.#measure(page.streams);
      this.rows.value = [
        ...rows.slice(0, start),
        ...page.streams,
        ...following,
      ];
      this.error.value = null;
    } catch (error) {
      if (!this.#run.signal.aborted) this.error.value = asApiError(error);
    }
  }

  /** Of the rows on the page; a page that is loaded for the first time has no rates yet. */
  #measure(entries: readonly StreamEntry[]): void {
    const at = performance.now();
    const rates = new Map(this.rates.value);
    for (const { path, next_offset: next } of entries) {
      const position = positionOf(next);
      const before = this.#seen.get(path);
      if (before !== undefined && at > before.at) {
        rates.set(
          path,
          Math.max(0, (position - before.position) * 1000 / (at - before.at)),
        );
      }
      this.#seen.set(path, { position, at });
    }
    this.rates.value = rates;
  }

  async #readUsage(): Promise<void> {
    if (this.#filter.labels.length > 0) return;
    try {
      this.usage.value = await readUsage(this.#filter.prefix, this.#run.signal);
    } catch {
      // Figures that nobody may see are left out; the listing says why.
    }
  }
}
