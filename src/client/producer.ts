/** The idempotent producer of a command: a repeated append takes effect once (section 5.2.1). */
import type { Answer, Connection } from "./connection.ts";
import { ClientError, EXIT, usageError } from "./exit_codes.ts";

const LARGEST_EPOCH = Number.MAX_SAFE_INTEGER;

/** One append: sent until it is known to be in the stream. */
export interface Append {
  readonly url: URL;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ProducerOptions {
  readonly connection: Connection;
  readonly id: string;
  readonly epoch: number;
  /** Whether an epoch that turns out to be stale is replaced by a newer one, at the start only. */
  readonly claims: boolean;
  warn(message: string): void;
}

/**
 * `auto`: an id nobody else has. A name: an epoch later than any this name had before, taken from
 * the clock. Epoch 0 would be wrong, though it is where producers begin: on the second run the
 * server would take its appends for repetitions of the first run's, and drop them.
 */
export function identify(
  producer: string,
  epoch: string | undefined,
): { id: string; epoch: number; claims: boolean } {
  if (epoch !== undefined) {
    if (producer === "auto") throw usageError("--epoch needs a --producer with a name");
    const value = /^\d{1,16}$/.test(epoch) ? Number(epoch) : NaN;
    if (!(value <= LARGEST_EPOCH)) throw usageError(`--epoch is from 0 to ${LARGEST_EPOCH}`);
    return { id: producer, epoch: value, claims: false };
  }
  if (producer === "auto") {
    return { id: `penstock-${crypto.randomUUID()}`, epoch: 0, claims: false };
  }
  const microseconds = Date.now() * 1000 + Math.floor(Math.random() * 1000);
  return { id: producer, epoch: microseconds, claims: true };
}

export class Producer {
  readonly #options: ProducerOptions;
  #epoch: number;
  #seq = 0;
  #warned = false;

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#epoch = options.epoch;
  }

  /**
   * @returns the answer; 413 too, so that the caller can send less at once
   * @throws ClientError when the stream or another producer stands against it
   */
  async append(append: Append): Promise<Answer> {
    const { connection, id } = this.#options;
    while (true) {
      const answer = await connection.send({
        method: "POST",
        url: append.url,
        headers: {
          ...append.headers,
          "producer-id": id,
          "producer-epoch": String(this.#epoch),
          "producer-seq": String(this.#seq),
        },
        body: append.body,
        expected: [403, 409, 413],
      });
      await answer.discard();
      if (answer.status === 413) return answer;
      if (answer.status === 403 && this.#claimsAfter(answer)) continue;
      if (answer.status >= 400) throw this.#refusal(append.url, answer);
      this.#check(answer, append);
      this.#seq++;
      return answer;
    }
  }

  /** A clock that is behind may give an epoch the name has used up. */
  #claimsAfter({ headers }: Answer): boolean {
    const current = Number(headers.get("producer-epoch") ?? NaN);
    if (!this.#options.claims || this.#seq > 0 || !(current < LARGEST_EPOCH)) return false;
    this.#epoch = current + 1;
    return true;
  }

  #refusal(url: URL, { status, headers }: Answer): ClientError {
    const { id } = this.#options;
    const path = decodeURIComponent(url.pathname);
    if (status === 403) {
      const current = headers.get("producer-epoch");
      return current === null
        ? new ClientError(EXIT.unauthorized, `${path}: not allowed to append (HTTP 403)`)
        : new ClientError(EXIT.conflict, `producer ${id} goes on with epoch ${current} elsewhere`);
    }
    if (headers.get("stream-closed")?.toLowerCase() === "true") {
      return new ClientError(EXIT.conflict, `${path}: the stream is closed`);
    }
    const expected = headers.get("producer-expected-seq");
    const gap = expected === null
      ? "the append conflicts with the stream: is the content type its own?"
      : `the server expects append ${expected} of ${id}, and this is ${this.#seq}`;
    return new ClientError(EXIT.conflict, `${path}: ${gap} (HTTP 409)`);
  }

  /** A success that was not meant for this append is worse than a failure. */
  #check({ status, headers, failures }: Answer, append: Append): void {
    const highest = headers.get("producer-seq");
    if (highest === null) {
      if (!this.#warned) {
        this.#options.warn(
          "this server does not confirm producers: an append that is repeated may be there twice",
        );
      }
      this.#warned = true;
      return;
    }
    // In 204, a server says that it had these bytes already. It cannot, unless this append was
    // sent before and its answer got lost.
    const repeated = status === 204 && failures === 0 && append.body.length > 0;
    if (Number(highest) > this.#seq || repeated) {
      throw new ClientError(
        EXIT.conflict,
        `producer ${this.#options.id} has written in epoch ${this.#epoch} before: ` +
          "take a higher --epoch, or none",
      );
    }
  }
}
