/**
 * Time limits by the thousand, looked at once a second: a timer for each would cost every request
 * what only the slowest need.
 */

/** What is to be done by a moment. Ends late by up to two looks, never early. */
export interface Deadline {
  /** Milliseconds, as `performance.now()`. Whoever makes progress moves it. */
  at: number;
  /** Called once, unless removed before. */
  readonly expire: () => void;
}

const LOOK_MS = 1000;

export class DeadlineQueue {
  readonly #waiting = new Set<Deadline>();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Whether the last look found nothing to wait for. */
  #idle = false;

  add(deadline: Deadline): void {
    this.#waiting.add(deadline);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
  }

  remove(deadline: Deadline): void {
    this.#waiting.delete(deadline);
  }

  #look(): void {
    if (this.#waiting.size === 0 && this.#idle) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#idle = this.#waiting.size === 0;
    const now = performance.now();
    for (const deadline of this.#waiting) {
      if (deadline.at > now) continue;
      this.#waiting.delete(deadline);
      deadline.expire();
    }
  }
}
