/**
 * Time limits by the thousand, checked once a second: a timer for each would cost every request what
 * only the slowest need.
 */

/** What is to be done by a moment. It expires up to two checks late, never early. */
export interface Deadline {
  /** Milliseconds, as `performance.now()`. The owner may move it when there is progress. */
  at: number;
  /** Called once, unless removed before. */
  expire(): void;
}

const CHECK_MS = 1000;

export class DeadlineQueue<T extends Deadline = Deadline> implements Iterable<T> {
  readonly #pending = new Set<T>();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Whether the last check found nothing pending. */
  #idle = false;

  add(deadline: T): void {
    this.#pending.add(deadline);
    this.#timer ??= setInterval(() => this.#check(), CHECK_MS);
  }

  remove(deadline: T): void {
    this.#pending.delete(deadline);
  }

  /** All that is pending, the oldest first. */
  [Symbol.iterator](): Iterator<T> {
    return this.#pending.values();
  }

  #check(): void {
    if (this.#pending.size === 0 && this.#idle) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#idle = this.#pending.size === 0;
    const now = performance.now();
    for (const deadline of this.#pending) {
      if (deadline.at > now) continue;
      this.#pending.delete(deadline);
      deadline.expire();
    }
  }
}
