/** How long, and how often, to try again while a server does not answer. */

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
const LONGEST_RETRY_AFTER_MS = 30_000;

export interface PatienceOptions {
  /** How long an outage may last; undefined: not at all until the server has answered once. */
  readonly givenMs: number | undefined;
  /** How long an outage may last once the server has answered. */
  readonly answeredMs: number;
}

/**
 * Doubles the delay with each failure, with jitter, and gives up when an outage has lasted longer
 * than its budget. A server that was never reached is given no time unless the user asks for it: a
 * mistyped URL should be reported at once.
 */
export class Patience {
  readonly #options: PatienceOptions;
  readonly #now: () => number;
  #answered = false;
  #failingSince: number | null = null;
  #failures = 0;

  constructor(options: PatienceOptions, now: () => number = () => performance.now()) {
    this.#options = options;
    this.#now = now;
  }

  /** Any answer at all: the server is there. */
  answered(): void {
    this.#answered = true;
  }

  /** Something was achieved: the next failure begins an outage of its own. */
  progressed(): void {
    this.#failingSince = null;
    this.#failures = 0;
  }

  /** Milliseconds to wait before the next attempt; null: give up. */
  afterFailure(retryAfterMs = 0): number | null {
    const { givenMs, answeredMs } = this.#options;
    const budget = givenMs ?? (this.#answered ? answeredMs : 0);
    const now = this.#now();
    this.#failingSince ??= now;
    const doubled = FIRST_DELAY_MS * 2 ** Math.min(this.#failures++, 16);
    const jittered = Math.min(doubled, LONGEST_DELAY_MS) * (0.5 + Math.random() / 2);
    const asked = Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS);
    const left = budget - (now - this.#failingSince);
    if (left <= 0) return null;
    // The last attempt comes at the end of the budget, not before.
    return Math.min(Math.max(jittered, asked), left);
  }

  /** Whether this is the first failure of an outage. */
  get outageBegan(): boolean {
    return this.#failures === 1;
  }
}
