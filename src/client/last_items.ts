/** The last lines or messages of what passes by, in bounded memory. */
import { ClientError, EXIT } from "./exit_codes.ts";

const LINE_FEED = 0x0a;
const LARGEST_BYTES = 256 << 20;

/** The last bytes that hold `count` lines. */
export class LastLines {
  readonly #count: number;
  #chunks: { bytes: Uint8Array; feeds: number }[] = [];
  #bytes = 0;
  #feeds = 0;

  constructor(count: number) {
    this.#count = count;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    // A copy: a piece of a page would keep the whole page.
    const chunk = { bytes: bytes.slice(), feeds: count(bytes) };
    this.#chunks.push(chunk);
    this.#bytes += bytes.length;
    this.#feeds += chunk.feeds;
    // The line feed before the first wanted line has to stay, and one may end the last line.
    while (this.#feeds - this.#chunks[0]!.feeds > this.#count) this.#drop();
    bound(this.#bytes);
  }

  /** From the first of the last lines to the end. */
  bytes(): Uint8Array[] {
    if (this.#count === 0) return [];
    const last = this.#chunks.at(-1);
    if (last === undefined) return [];
    const terminated = last.bytes.at(-1) === LINE_FEED;
    let wanted = this.#count + (terminated ? 1 : 0);
    const kept: Uint8Array[] = [];
    for (const { bytes } of this.#chunks.toReversed()) {
      for (let at = bytes.length; at > 0;) {
        at = bytes.lastIndexOf(LINE_FEED, at - 1);
        if (at < 0) break;
        if (--wanted === 0) return [bytes.subarray(at + 1), ...kept];
      }
      kept.unshift(bytes);
    }
    return kept;
  }

  #drop(): void {
    const { bytes, feeds } = this.#chunks.shift()!;
    this.#bytes -= bytes.length;
    this.#feeds -= feeds;
  }
}

export class LastMessages {
  readonly #count: number;
  /** A ring once it is full: `#next` is the oldest. */
  #messages: Uint8Array[] = [];
  #next = 0;
  #bytes = 0;

  constructor(count: number) {
    this.#count = count;
  }

  push(message: Uint8Array): void {
    if (this.#count === 0) return;
    const replaced = this.#messages[this.#next];
    this.#bytes += message.length - (replaced?.length ?? 0);
    this.#messages[this.#next] = message.slice();
    this.#next = (this.#next + 1) % this.#count;
    bound(this.#bytes);
  }

  messages(): Uint8Array[] {
    const full = this.#messages.length === this.#count;
    const start = full ? this.#next : 0;
    return [...this.#messages.slice(start), ...this.#messages.slice(0, start)];
  }
}

function count(bytes: Uint8Array): number {
  let found = 0;
  for (let at = -1; (at = bytes.indexOf(LINE_FEED, at + 1)) >= 0;) found++;
  return found;
}

function bound(bytes: number): void {
  if (bytes <= LARGEST_BYTES) return;
  throw new ClientError(
    EXIT.failure,
    `so many last lines are more than ${
      LARGEST_BYTES >> 20
    } MiB: ask for fewer, or read from an --offset`,
  );
}
