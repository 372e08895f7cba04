/** A stream as it is followed: its reader, what has been read, and exact counts. */
import { signal } from "@preact/signals";
import { readBefore } from "./api/streams.ts";
import { type Page, TailReader, type TailStart, type TailState } from "./api/tail_reader.ts";
import { ByteContent, type Format, formatOf, MessageContent } from "./model/content.ts";
import { positionOf } from "./model/format.ts";

export interface TailCounts {
  /** Since the tail began; of a stream in JSON mode. */
  readonly messages: number;
  readonly bytes: number;
  readonly pages: number;
  /** Pages that came while it was followed. */
  readonly live: number;
}

/** Of the last seconds, to tell how fast a stream grows. */
const RATE_MS = 3000;
/** What is read at a time when a person scrolls back. */
const EARLIER_MESSAGES = 500;
const EARLIER_BYTES = 64 << 10;
/** These offsets name a place without saying which. */
const RELATIVE = ["-1", "now"];

export class Tail {
  readonly format: Format;
  readonly content: MessageContent | ByteContent;
  readonly state = signal<TailState>({ kind: "catching-up" });
  readonly counts = signal<TailCounts>({ messages: 0, bytes: 0, pages: 0, live: 0 });
  /** Grows with each change of `content`: what is shown is drawn again. */
  readonly revision = signal(0);
  /** Whether a page of what came before is on its way. */
  readonly loadingEarlier = signal(false);
  readonly #path: string;
  readonly #reader: TailReader;
  readonly #stopped = new AbortController();
  /** Where what was read begins; null where nothing comes before it, or it is not known. */
  #begin: string | null = null;
  #began = false;
  #recent: { readonly at: number; readonly count: number }[] = [];

  constructor(path: string, contentType: string, start: TailStart) {
    this.#path = path;
    this.format = formatOf(contentType);
    this.content = this.format === "messages" ? new MessageContent() : new ByteContent();
    this.#reader = new TailReader(path, start, {
      page: (page) => this.#take(page),
      state: (state) => this.state.value = state,
    });
    this.#reader.resume();
  }

  /** Where the next read begins; null before the first page. */
  get offset(): string | null {
    return this.#reader.offset;
  }

  /** Messages, or bytes, per second. */
  get rate(): number {
    const since = performance.now() - RATE_MS;
    this.#recent = this.#recent.filter(({ at }) => at >= since);
    return this.#recent.reduce((sum, { count }) => sum + count, 0) /
      (RATE_MS / 1000);
  }

  pause(): void {
    this.#reader.pause();
  }

  resume(): void {
    this.#reader.resume();
  }

  stop(): void {
    this.#reader.stop();
    this.#stopped.abort();
  }

  /** Whether there is more in front of the rows, and room for it. */
  get hasEarlier(): boolean {
    return this.#begin !== null && this.content.hasRoomBefore;
  }

  /** Reads a page of what comes before the rows. */
  async loadEarlier(): Promise<void> {
    const before = this.#begin;
    if (before === null || !this.hasEarlier || this.loadingEarlier.value) return;
    this.loadingEarlier.value = true;
    try {
      const limit = this.format === "messages" ? EARLIER_MESSAGES : EARLIER_BYTES;
      const { signal } = this.#stopped;
      const page = await readBefore(this.#path, { before, limit, signal });
      if (signal.aborted || !this.content.hasRoomBefore) return;
      const added = this.content.addBefore(page.bytes);
      this.#begin = page.bytes.length === 0 ? null : page.startOffset;
      const { value } = this.counts;
      this.counts.value = {
        messages: value.messages + (this.format === "messages" ? added : 0),
        bytes: value.bytes + page.bytes.length,
        pages: value.pages + 1,
        live: value.live,
      };
    } catch {
      // It was trimmed meanwhile, or may not be read: the rows begin where they begin.
      this.#begin = null;
    } finally {
      this.loadingEarlier.value = false;
      this.revision.value++;
    }
  }

  #take({ bytes, nextOffset, startOffset, history }: Page): void {
    if (!this.#began) {
      this.#began = true;
      const begin = startOffset === "now" ? nextOffset : startOffset;
      this.#begin = begin !== null && RELATIVE.includes(begin) ? null : begin;
      this.content.origin = Math.max(0, positionOf(nextOffset) - bytes.length) || 0;
    }
    if (bytes.length === 0) {
      this.revision.value++;
      return;
    }
    const receivedAt = history ? null : Date.now();
    const added = this.content.add(bytes, receivedAt);
    const messages = added ?? 0;
    const { value } = this.counts;
    this.counts.value = {
      messages: value.messages + messages,
      bytes: value.bytes + bytes.length,
      pages: value.pages + 1,
      live: value.live + (history ? 0 : 1),
    };
    if (!history) {
      this.#recent.push({
        at: performance.now(),
        count: added ?? bytes.length,
      });
    }
    this.revision.value++;
  }
}
