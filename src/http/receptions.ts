/**
 * Request bodies on their way in: what they hold of the memory for them, whether they come fast enough,
 * and which of them is given up when others need the memory. What is charged is what has arrived: a
 * length that is declared costs nothing, so a sender that stalls takes nothing from the others.
 */
import { Overloaded, Refused } from "../errors.ts";
import { ByteBudget } from "../lib/byte_budget.ts";
import { type Deadline, DeadlineQueue } from "../lib/deadline_queue.ts";
import { measurements } from "../lib/telemetry/measurements.ts";

/** The slowest body that is waited for, once `timeoutMs` has passed: bytes per millisecond. */
const SLOWEST = (64 << 10) / 1000;
/** Slower ones are given up when memory is short: bytes per millisecond. */
const SLOWEST_UNDER_PRESSURE = (1 << 20) / 1000;
/** Over how long the rate of a body is measured, at least. Milliseconds. */
const RATE_WINDOW_MS = 1000;

const SLOWER_THAN_OTHERS = "the body came more slowly than others that need the memory";

/** One body on its way in. */
export class Reception implements Deadline {
  at: number;
  /** Bytes that are charged for it. */
  held = 0;
  readonly #timeoutMs: number;
  readonly #onGivenUp: (refusal: Refused) => void;
  readonly #startedAt: number;
  #arrived = 0;
  #lastPartAt: number;
  #windowStartedAt: number;
  #windowBytes = 0;
  #lastRate: number | null = null;

  /** @param onGivenUp the body is not waited for any longer */
  constructor(timeoutMs: number, onGivenUp: (refusal: Refused) => void) {
    this.#timeoutMs = timeoutMs;
    this.#onGivenUp = onGivenUp;
    this.#startedAt = this.#lastPartAt = this.#windowStartedAt = performance.now();
    this.at = this.#startedAt + timeoutMs;
  }

  /** A part of the body has come: it has more time for the rest, though no more than for the first. */
  progress(bytes: number): void {
    const now = performance.now();
    this.#lastPartAt = now;
    this.#arrived += bytes;
    this.#windowBytes += bytes;
    const earned = this.#startedAt + this.#timeoutMs + this.#arrived / SLOWEST;
    this.at = Math.min(earned, now + this.#timeoutMs);
    if (now - this.#windowStartedAt < 2 * RATE_WINDOW_MS) return;
    this.#lastRate = this.#windowBytes / (now - this.#windowStartedAt);
    this.#windowStartedAt = now;
    this.#windowBytes = 0;
  }

  /** Bytes per millisecond, lately; null where it is too early to say. */
  rate(now: number): number | null {
    if (now - this.#lastPartAt >= RATE_WINDOW_MS) return 0;
    const elapsed = now - this.#windowStartedAt;
    return elapsed < RATE_WINDOW_MS ? this.#lastRate : this.#windowBytes / elapsed;
  }

  expire(): void {
    this.giveUp(new Refused({ kind: "body_too_slow" }));
  }

  giveUp(refusal: Refused): void {
    this.#onGivenUp(refusal);
  }
}

export interface ReceptionsOptions {
  /** Bytes of all bodies on their way in. */
  readonly budget: number;
  /** Milliseconds a body may take, and between two parts of it; each 64 KiB of it adds a second. */
  readonly timeoutMs: number;
}

export class Receptions {
  readonly #budget: ByteBudget;
  readonly #timeoutMs: number;
  readonly #inProgress = new DeadlineQueue<Reception>();

  constructor({ budget, timeoutMs }: ReceptionsOptions) {
    this.#budget = new ByteBudget(budget);
    const value = () => this.#budget.used;
    measurements.memory.set("request_bodies", { value, limit: budget });
    this.#timeoutMs = timeoutMs;
  }

  /** @param onGivenUp must end the reception */
  start(onGivenUp: (refusal: Refused) => void): Reception {
    const reception = new Reception(this.#timeoutMs, onGivenUp);
    this.#inProgress.add(reception);
    return reception;
  }

  /**
   * Charges so many bytes more, where need be at the expense of slower bodies.
   * @param share the part of the budget, up to 1, that is open to this body
   * @throws Overloaded when neither memory nor a slower body is left
   */
  charge(reception: Reception, bytes: number, share: number): void {
    while (!this.#budget.take(bytes, share, reception.held)) {
      const slowest = this.#slowest();
      if (slowest === null || slowest === reception) {
        throw new Overloaded("too many request bodies are on their way in", "request_bodies");
      }
      slowest.giveUp(new Overloaded(SLOWER_THAN_OTHERS, "request_bodies"));
    }
    reception.held += bytes;
  }

  end(reception: Reception): void {
    this.#inProgress.remove(reception);
    this.#budget.give(reception.held);
    reception.held = 0;
  }

  /** Of those that hold memory and are slow, the slowest; of equally slow ones, the largest. */
  #slowest(): Reception | null {
    const now = performance.now();
    let slowest: Reception | null = null;
    let lowest = SLOWEST_UNDER_PRESSURE;
    for (const reception of this.#inProgress) {
      const rate = reception.rate(now);
      if (rate === null || rate > lowest || reception.held === 0) continue;
      if (slowest !== null && rate === lowest && reception.held <= slowest.held) continue;
      slowest = reception;
      lowest = rate;
    }
    return slowest;
  }
}
