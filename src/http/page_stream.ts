/**
 * Pages on their way to their readers. A page stays in memory until its reader has taken it, so the
 * bytes of in-flight responses are counted: when they grow too many, readers that take nothing are
 * cut off, pages get smaller, and at last there are none.
 */
import { ByteBudget } from "../lib/byte_budget.ts";
import { type Deadline, DeadlineQueue } from "../lib/deadline_queue.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
import { Overloaded } from "../errors.ts";
import type { Body } from "./respond.ts";

/** Pages up to this length go to the runtime whole, and only it knows when they have been sent. */
const SMALL_BYTES = 64 << 10;
/** The part of the budget that is open to pages of full length, and then to large ones. */
const WHOLE_SHARE = 0.5;
const LARGE_SHARE = 0.75;
/** How long a page is at most when there are many. */
const LARGE_BYTES = 1 << 20;
/** Bytes handed to the connection at a time. */
const CHUNK_BYTES = 256 << 10;
/** A reader that takes no chunk for this long is cut off. */
const STALLED_MS = 30_000;
/** The same when another reader needs the memory. */
const IDLE_MS = 1000;

export interface PageStreamsOptions {
  /** Bytes of in-flight responses, of all readers together. */
  readonly budget: number;
  /** The longest page there is, except for a larger JSON message. */
  readonly maxPageBytes: number;
}

export class PageStreams {
  readonly #budget: ByteBudget;
  readonly #maxPageBytes: number;
  readonly #deadlines = new DeadlineQueue();
  /** In-flight responses; the one whose reader has taken nothing for longest comes first. */
  readonly #inFlight = new Set<Deadline>();

  constructor({ budget, maxPageBytes }: PageStreamsOptions) {
    this.#budget = new ByteBudget(budget);
    this.#maxPageBytes = maxPageBytes;
    measurements.memory.set("pages", { value: () => this.#budget.used, limit: budget });
  }

  /**
   * Before a page is read: how long it may be; a larger JSON message comes whole.
   * @param wanted bytes there are to read
   * @throws Overloaded
   */
  take(wanted: number): number {
    const whole = Math.min(wanted, this.#maxPageBytes);
    if (whole > LARGE_BYTES && this.#budget.take(whole, WHOLE_SHARE)) return whole;
    const large = Math.min(wanted, LARGE_BYTES);
    if (large > SMALL_BYTES && this.#fits(large, LARGE_SHARE)) return large;
    const small = Math.min(wanted, SMALL_BYTES);
    if (this.#fits(small, 1)) return small;
    throw new Overloaded(TOO_MUCH, "pages");
  }

  /** Once the page has been read, or could not be: gives back what `take` returned. */
  give(room: number): void {
    this.#budget.give(room);
  }

  /**
   * The body of a page: counted until it is sent, unless it is small.
   * @param release called when the bytes are no longer needed, if that can be known
   * @throws Overloaded
   */
  bodyOf(bytes: Uint8Array<ArrayBuffer>, release: () => void = () => {}): Body {
    const { length } = bytes;
    if (length <= SMALL_BYTES) return bytes;
    if (!this.#fits(length, 1)) {
      release();
      throw new Overloaded(TOO_MUCH, "pages");
    }
    let page: Uint8Array<ArrayBuffer> | undefined = bytes;
    let sent = 0;
    let controller: ReadableStreamDefaultController<Uint8Array>;
    const end = () => {
      if (page === undefined) return;
      page = undefined;
      this.#inFlight.delete(response);
      this.#deadlines.remove(response);
      this.#budget.give(length);
      release();
    };
    const response: Deadline = {
      at: performance.now() + STALLED_MS,
      expire: () => {
        end();
        controller.error(new Error("the reader stalled"));
      },
    };
    this.#inFlight.add(response);
    this.#deadlines.add(response);
    return new ReadableStream<Uint8Array>({
      start: (given) => {
        controller = given;
      },
      pull: () => {
        if (page === undefined) return;
        // A buffer that was freed too early is a defect: the response breaks off, for a reader would
        // take a shorter one for the whole page.
        if (page.length !== length) return response.expire();
        // A reader that asks for more has taken what there was: only then is the last chunk sent.
        if (sent >= length) {
          end();
          return controller.close();
        }
        controller.enqueue(page.subarray(sent, sent + CHUNK_BYTES));
        sent += CHUNK_BYTES;
        this.#progress(response);
      },
      cancel: end,
    }, { highWaterMark: 0 });
  }

  #progress(response: Deadline): void {
    response.at = performance.now() + STALLED_MS;
    this.#inFlight.delete(response);
    this.#inFlight.add(response);
  }

  /** Whether so many bytes may be held, if need be in the place of those that no reader takes. */
  #fits(bytes: number, share: number): boolean {
    while (!this.#budget.take(bytes, share)) {
      const [idlest] = this.#inFlight;
      if (idlest === undefined) return false;
      if (idlest.at - STALLED_MS > performance.now() - IDLE_MS) return false;
      idlest.expire();
    }
    return true;
  }
}

const TOO_MUCH = "too many pages are on their way to slow readers";
