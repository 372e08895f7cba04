/**
 * Pages on their way to their readers. A page stays in memory until its reader has taken it, so
 * what is under way is counted: when it grows too much, pages get smaller, and at last there are
 * none; a reader who takes nothing for too long is cut off.
 */
import { Budget } from "../budget.ts";
import { Overloaded } from "../outcome.ts";
import { PAGE_BYTES } from "../streams/reader.ts";
import { type Deadline, Deadlines } from "./deadlines.ts";
import type { Body } from "./respond.ts";

/** Pages up to this length are handed to the runtime whole, and it alone knows when they are gone. */
const SMALL_BYTES = 64 << 10;
/** The part of the budget that large pages leave to small ones. */
const LARGE_SHARE = 0.75;
/** Bytes handed to the connection at a time. */
const PIECE_BYTES = 256 << 10;
/** A reader that takes no piece for this long is cut off. */
const STALLED_MS = 30_000;

export class PageBodies {
  readonly #budget: Budget;
  readonly #deadlines = new Deadlines();

  /** @param budget bytes of pages under way, of all readers together */
  constructor(budget: number) {
    this.#budget = new Budget(budget);
  }

  /**
   * Before a page is read: how long it may be; a larger JSON message comes whole.
   * @param wanted bytes there are to read
   * @throws Overloaded
   */
  take(wanted: number): number {
    const whole = Math.min(wanted, PAGE_BYTES);
    if (this.#budget.take(whole, whole > SMALL_BYTES ? LARGE_SHARE : 1)) return whole;
    if (whole > SMALL_BYTES && this.#budget.take(SMALL_BYTES)) return SMALL_BYTES;
    throw new Overloaded("too many pages are on their way to slow readers");
  }

  /** Once it is read, or could not be: what `take` returned. */
  give(room: number): void {
    this.#budget.give(room);
  }

  /** The body of a page: counted until it is sent, unless it is small. */
  bodyOf(bytes: Uint8Array<ArrayBuffer>): Body {
    if (bytes.length <= SMALL_BYTES) return bytes;
    this.#budget.hold(bytes.length);
    let sent = 0;
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      this.#deadlines.remove(stalled);
      this.#budget.give(bytes.length);
    };
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const stalled: Deadline = {
      at: performance.now() + STALLED_MS,
      expire: () => {
        end();
        controller.error(new Error("the reader stalled"));
      },
    };
    this.#deadlines.add(stalled);
    return new ReadableStream<Uint8Array>({
      start: (given) => {
        controller = given;
      },
      pull: () => {
        stalled.at = performance.now() + STALLED_MS;
        controller.enqueue(bytes.subarray(sent, sent + PIECE_BYTES));
        sent += PIECE_BYTES;
        if (sent < bytes.length) return;
        end();
        controller.close();
      },
      cancel: end,
    }, { highWaterMark: 0 });
  }
}
