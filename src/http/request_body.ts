/** Request bodies: read whole, never more than allowed, and never more at once than memory is for. */
import { concatenate } from "../lib/bytes.ts";
import { Refused } from "../errors.ts";
import { Receptions, type ReceptionsOptions } from "./receptions.ts";

export interface RequestBodiesOptions extends ReceptionsOptions {
  /** The largest body, bytes. */
  readonly limit: number;
}

/** What routes read a body by. */
export type BodyReader = Pick<RequestBodies, "read">;

const NOTHING = new Uint8Array(0);

/** Bodies up to this length are asked of the runtime whole, and may use the last of the budget. */
const SMALL_BYTES = 64 << 10;
/** The part of the budget that large bodies leave to small ones. */
const LARGE_SHARE = 0.75;

export class RequestBodies {
  readonly #limit: number;
  readonly #receptions: Receptions;

  constructor(options: RequestBodiesOptions) {
    this.#limit = options.limit;
    this.#receptions = new Receptions(options);
  }

  /**
   * @param limit bytes, where it is not the general one
   * @throws Refused `coded_body`, `body_too_large` and `overloaded` as soon as that is known,
   * `body_broken`, `body_too_slow`
   */
  read(request: Request, limit = this.#limit): Promise<Uint8Array> {
    const coding = request.headers.get("content-encoding");
    if (coding !== null && !/^(?:identity)?$/i.test(coding)) return Promise.reject(coded(coding));
    const declared = request.headers.get("content-length");
    if (declared === "0") return Promise.resolve(NOTHING);
    // A length said twice ("5, 5") is the runtime's to judge: what it lets through is counted.
    const length = declared !== null && /^\d+$/.test(declared) ? Number(declared) : null;
    if (length !== null) {
      if (length > limit) return Promise.reject(tooLarge(limit));
      if (length <= SMALL_BYTES) return this.#readSmall(request, length);
      if (request.body === null) return Promise.reject(broken("the body is missing"));
      return this.#readDeclared(request.body, length);
    }
    if (request.body === null) return Promise.resolve(NOTHING);
    const transfer = request.headers.get("transfer-encoding");
    if (transfer !== null && transfer.toLowerCase() !== "chunked") {
      return Promise.reject(broken("chunked is the only transfer coding known here"));
    }
    return this.#readParts(request.body, limit);
  }

  /** How much of it has come cannot be seen: all of it is charged. */
  #readSmall(request: Request, length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let over = false;
      const end = () => {
        if (over) return; // too late, the body came, or its sender has gone, after all
        over = true;
        this.#receptions.end(reception);
      };
      const reception = this.#receptions.start((refusal) => {
        end();
        reject(refusal);
      });
      try {
        this.#receptions.charge(reception, length, 1);
      } catch (error) {
        end();
        return reject(error);
      }
      request.arrayBuffer().then((buffer) => {
        end();
        resolve(new Uint8Array(buffer));
      }, (error) => {
        end();
        reject(broken("the body ended early", error));
      });
    });
  }

  async #readDeclared(body: ReadableStream<Uint8Array>, length: number): Promise<Uint8Array> {
    const whole = await this.#readParts(body, length);
    if (whole.length !== length) throw broken("the body is not as long as it said");
    return whole;
  }

  async #readParts(body: ReadableStream<Uint8Array>, limit: number): Promise<Uint8Array> {
    const reader = body.getReader();
    const cancel = () => void reader.cancel().catch(() => {});
    let refusal: Refused | undefined;
    const reception = this.#receptions.start((reason) => {
      refusal = reason;
      // The memory is others' from now on; to cancel ends the reading as if the body had ended.
      parts.length = 0;
      this.#receptions.end(reception);
      cancel();
    });
    const parts: Uint8Array[] = [];
    let length = 0;
    try {
      while (true) {
        const { done, value } = await reader.read();
        if (refusal !== undefined) throw refusal;
        if (done) return concatenate(parts);
        length += value.length;
        if (length > limit) throw tooLarge(limit);
        reception.progress(value.length);
        this.#receptions.charge(reception, value.length, length <= SMALL_BYTES ? 1 : LARGE_SHARE);
        parts.push(value);
      }
    } catch (error) {
      cancel();
      if (error instanceof Refused) throw error;
      throw refusal ?? broken("the body ended early", error);
    } finally {
      this.#receptions.end(reception);
    }
  }
}

function coded(coding: string): Refused {
  return new Refused({ kind: "coded_body", coding: coding.slice(0, 100) });
}

function tooLarge(limit: number): Refused {
  return new Refused({ kind: "body_too_large", limit });
}

function broken(message: string, cause?: unknown): Refused {
  return new Refused({ kind: "body_broken", message }, { cause });
}
