/**
 * Pages on their way to their readers. A page stays in memory until its reader has taken it, so
 * what is under way is counted: when it grows too much, readers who take nothing are cut off, pages
 * get smaller, and at last there are none.
 */
import { ByteBudget } from "../lib/byte_budget.ts";
import { Overloaded } from "../errors.ts";
import { PAGE_BYTES } from "../streams/read/page_reader.ts";
import { type Deadline, DeadlineQueue } from "../lib/deadline_queue.ts";
import type { Body } from "./respond.ts";

/** Pages up to this length are handed to the runtime whole, and it alone knows when they are gone. */
const SMALL_BYTES = 64 << 10;
/** The part of the budget that is open to large pages: up to the first of them they are whole. */
const WHOLE_SHARE = 0.5;
const LARGE_SHARE = 0.75;
/** What is left of a whole page when there are many. */
const LARGE_BYTES = 1 << 20;
/** Bytes handed to the connection at a time. */
const PIECE_BYTES = 256 << 10;
/** A reader that takes no piece for this long is cut off. */
const STALLED_MS = 30_000;
/** ... and after this long, when somebody else needs the memory. */
const IDLE_MS = 1000;

export class PageStreams {
  readonly #budget: ByteBudget;
  readonly #deadlines = new DeadlineQueue();
  /** Who has waited longest for its reader comes first. */
  readonly #sendings = new Set<Deadline>();

  /** @param budget bytes of pages under way, of all readers together */
  constructor(budget: number) {
    this.#budget = new ByteBudget(budget);
  }

  /**
   * Before a page is read: how long it may be; a larger JSON message comes whole.
   * @param wanted bytes there are to read
   * @throws Overloaded
   */
  take(wanted: number): number {
    const whole = Math.min(wanted, PAGE_BYTES);
    if (whole > LARGE_BYTES && this.#budget.take(whole, WHOLE_SHARE)) return whole;
    const large = Math.min(wanted, LARGE_BYTES);
    if (large > SMALL_BYTES && this.#fits(large, LARGE_SHARE)) return large;
    const small = Math.min(wanted, SMALL_BYTES);
    if (this.#fits(small, 1)) return small;
    throw new Overloaded(TOO_MUCH);
  }

  /** Once it is read, or could not be: what `take` returned. */
  give(room: number): void {
    this.#budget.give(room);
  }

  /**
   * The body of a page: counted until it is sent, unless it is small.
   * @param release called when nobody looks at the bytes any more, if that can be known
   * @throws Overloaded
   */
  bodyOf(bytes: Uint8Array<ArrayBuffer>, release: () => void = () => {}): Body {
    const { length } = bytes;
    if (length <= SMALL_BYTES) return bytes;
    if (!this.#fits(length, 1)) {
      release();
      throw new Overloaded(TOO_MUCH);
    }
    let page: Uint8Array<ArrayBuffer> | undefined = bytes;
    let sent = 0;
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const end = () => {
      if (page === undefined) return;
      page = undefined;
      this.#sendings.delete(sending);
      this.#deadlines.remove(sending);
      this.#budget.give(length);
      release();
    };
    const sending: Deadline = {
      at: performance.now() + STALLED_MS,
      expire: () => {
        end();
        controller.error(new Error("the reader stalled"));
      },
    };
    this.#sendings.add(sending);
    this.#deadlines.add(sending);
    return new ReadableStream<Uint8Array>({
      start: (given) => {
        controller = given;
      },
      pull: () => {
        if (page === undefined) return;
        // Freed under our hands, which must never be: broken off rather than cut short.
        if (page.length !== length) return sending.expire();
        // Who asks for more has taken what there was: only then is the last piece gone.
        if (sent >= length) {
          end();
          return controller.close();
        }
        controller.enqueue(page.subarray(sent, sent + PIECE_BYTES));
        sent += PIECE_BYTES;
        this.#progress(sending);
      },
      cancel: end,
    }, { highWaterMark: 0 });
  }

  #progress(sending: Deadline): void {
    sending.at = performance.now() + STALLED_MS;
    this.#sendings.delete(sending);
    this.#sendings.add(sending);
  }

  /** Whether so many bytes may be held, if need be in the place of those nobody takes. */
  #fits(bytes: number, share: number): boolean {
    while (!this.#budget.take(bytes, share)) {
      const [idlest] = this.#sendings;
      if (idlest === undefined) return false;
      if (idlest.at - STALLED_MS > performance.now() - IDLE_MS) return false;
      idlest.expire();
    }
    return true;
  }
}

const TOO_MUCH = "too many pages are on their way to slow readers";
