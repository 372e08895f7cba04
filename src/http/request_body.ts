/**
 * Request bodies: read whole, never more than allowed, never more at once than memory is meant
 * for, and never for longer than is fair to the others.
 */
import { concatenate } from "../lib/bytes.ts";
import { ByteBudget } from "../lib/byte_budget.ts";
import { Overloaded, Refused } from "../errors.ts";
import { type Deadline, DeadlineQueue } from "../lib/deadline_queue.ts";

export interface RequestBodiesOptions {
  /** The largest body, bytes. */
  readonly limit: number;
  /** Bytes of bodies on their way in, of all requests together. */
  readonly budget: number;
  /** Milliseconds a body may take; large ones get a second more for every 64 KiB. */
  readonly timeoutMs: number;
}

const NOTHING = new Uint8Array(0);

/** Bodies up to this length are asked of the runtime whole, and may use the last of the budget. */
const SMALL_BYTES = 64 << 10;
/** The part of the budget that large bodies leave to small ones. */
const LARGE_SHARE = 0.75;
/** The slowest upload that is waited for, bytes a millisecond. */
const SLOWEST = SMALL_BYTES / 1000;

/** One body on its way in. */
interface Reception extends Deadline {
  expired: boolean;
}

export class RequestBodies {
  readonly #options: RequestBodiesOptions;
  readonly #budget: ByteBudget;
  readonly #deadlines = new DeadlineQueue();

  constructor(options: RequestBodiesOptions) {
    this.#options = options;
    this.#budget = new ByteBudget(options.budget);
  }

  /**
   * @param limit bytes, where it is not the general one
   * @throws Refused `coded_body`, `body_too_large` and `overloaded` as soon as that is known,
   * `body_broken`, `body_too_slow`
   */
  read(request: Request, limit = this.#options.limit): Promise<Uint8Array> {
    const coding = request.headers.get("content-encoding");
    if (coding !== null && !/^(?:identity)?$/i.test(coding)) return Promise.reject(coded(coding));
    const declared = request.headers.get("content-length");
    if (declared === "0") return Promise.resolve(NOTHING);
    // A length said twice ("5, 5") is the runtime's to judge: what it lets through is counted.
    const length = declared !== null && /^\d+$/.test(declared) ? Number(declared) : null;
    if (length === null) {
      if (request.body === null) return Promise.resolve(NOTHING);
      return this.#readChunked(request, request.body, limit);
    }
    if (length > limit) return Promise.reject(tooLarge(limit));
    if (length <= SMALL_BYTES) return this.#readSmall(request, length);
    if (request.body === null) return Promise.reject(broken("the body is missing"));
    return this.#readLarge(request.body, length);
  }

  #readSmall(request: Request, length: number): Promise<Uint8Array> {
    if (!this.#budget.take(length)) return Promise.reject(new Overloaded(TOO_MUCH));
    return new Promise((resolve, reject) => {
      const reception: Deadline = {
        at: performance.now() + this.#options.timeoutMs,
        expire: () => {
          end();
          reject(tooSlow());
        },
      };
      this.#deadlines.add(reception);
      let over = false;
      const end = () => {
        if (over) return; // too late, the body came, or its sender has gone, after all
        over = true;
        this.#deadlines.remove(reception);
        this.#budget.give(length);
      };
      request.arrayBuffer().then((buffer) => {
        end();
        resolve(new Uint8Array(buffer));
      }, (error) => {
        end();
        reject(broken("the body ended early", error));
      });
    });
  }

  /** Its whole length is taken from the budget at once: an upload that begins can also end. */
  async #readLarge(body: ReadableStream<Uint8Array>, length: number): Promise<Uint8Array> {
    if (!this.#budget.take(length, LARGE_SHARE)) throw new Overloaded(TOO_MUCH);
    try {
      const whole = await this.#readPieces(body, length / SLOWEST, () => {});
      if (whole.length !== length) throw broken("the body is not as long as it said");
      return whole;
    } finally {
      this.#budget.give(length);
    }
  }

  async #readChunked(
    request: Request,
    body: ReadableStream<Uint8Array>,
    limit: number,
  ): Promise<Uint8Array> {
    const coding = request.headers.get("transfer-encoding");
    if (coding !== null && coding.toLowerCase() !== "chunked") {
      throw broken("chunked is the only transfer coding known here");
    }
    let length = 0;
    try {
      return await this.#readPieces(body, limit / SLOWEST, (piece) => {
        if (length + piece > limit) throw tooLarge(limit);
        const share = length + piece <= SMALL_BYTES ? 1 : LARGE_SHARE;
        if (!this.#budget.take(piece, share)) throw new Overloaded(TOO_MUCH);
        length += piece;
      });
    } finally {
      this.#budget.give(length);
    }
  }

  /**
   * @param patienceMs beyond the time that every body has
   * @param onPiece told the length of each piece; what it throws ends the reading
   */
  async #readPieces(
    body: ReadableStream<Uint8Array>,
    patienceMs: number,
    onPiece: (length: number) => void,
  ): Promise<Uint8Array> {
    const reader = body.getReader();
    const cancel = () => void reader.cancel().catch(() => {});
    const reception: Reception = {
      at: performance.now() + this.#options.timeoutMs + patienceMs,
      expired: false,
      expire: () => {
        reception.expired = true;
        cancel();
      },
    };
    this.#deadlines.add(reception);
    const pieces: Uint8Array[] = [];
    try {
      while (true) {
        const { done, value } = await reader.read();
        // To cancel ends the reading as if the body had ended.
        if (reception.expired) throw tooSlow();
        if (done) return concatenate(pieces);
        onPiece(value.length);
        pieces.push(value);
      }
    } catch (error) {
      cancel();
      if (error instanceof Refused) throw error;
      if (reception.expired) throw tooSlow();
      throw broken("the body ended early", error);
    } finally {
      this.#deadlines.remove(reception);
    }
  }
}

const TOO_MUCH = "too many request bodies are on their way in";

function coded(coding: string): Refused {
  return new Refused({ kind: "coded_body", coding: coding.slice(0, 100) });
}

function tooLarge(limit: number): Refused {
  return new Refused({ kind: "body_too_large", limit });
}

function tooSlow(): Refused {
  return new Refused({ kind: "body_too_slow" });
}

function broken(message: string, cause?: unknown): Refused {
  return new Refused({ kind: "body_broken", message }, { cause });
}
