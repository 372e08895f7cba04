/** A stream as it is followed: its reader, what has been read, and exact counts. */
import { signal } from "@preact/signals";
import { type Page, TailReader, type TailStart, type TailState } from "./api/tail_reader.ts";
import { ByteContent, type Format, formatOf, MessageContent } from "./model/content.ts";

export interface TailCounts {
  /** Since the tail began; of a stream in JSON mode. */
  readonly messages: number;
  readonly bytes: number;
  readonly pages: number;
}

/** Of the last seconds, to tell how fast a stream grows. */
const RATE_MS = 3000;

export class Tail {
  readonly format: Format;
  readonly content: MessageContent | ByteContent;
  readonly state = signal<TailState>({ kind: "catching-up" });
  readonly counts = signal<TailCounts>({ messages: 0, bytes: 0, pages: 0 });
  /** Grows with each change of `content`: what is shown is drawn again. */
  readonly revision = signal(0);
  readonly #reader: TailReader;
  #recent: { readonly at: number; readonly count: number }[] = [];

  constructor(path: string, contentType: string, start: TailStart) {
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
  }

  #take({ bytes, history }: Page): void {
    const receivedAt = history ? null : Date.now();
    const added = this.content.add(bytes, receivedAt);
    const messages = added ?? 0;
    const { value } = this.counts;
    this.counts.value = {
      messages: value.messages + messages,
      bytes: value.bytes + bytes.length,
      pages: value.pages + 1,
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
