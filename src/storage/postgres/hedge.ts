/**
 * Hedged statements: those that may run twice are sent a second time. A half-open connection (a
 * firewall forgot it, a host vanished) looks alive until its statement's time is up; a statement
 * that is answered on a new connection meanwhile shows sooner that the first one is dead.
 */
import type { DriverClient } from "./driver/client.ts";

/**
 * How long an answer may take before the statement is sent elsewhere. Milliseconds. Followers'
 * streams are reconciled 500 ms after the last time, and new connections take some 50: together less
 * than a second.
 */
const HEDGE_DELAY_MS = 200;
/** Where a lock or a pause held up both answers, both come within this time. Milliseconds. */
const GRACE_MS = 50;
/**
 * Between two hedges. A database that is slow, and not dead, gets no more than one connection in
 * this time, and a pool's worth if it answers that one first. Milliseconds.
 */
const INTERVAL_MS = 5000;

export class Hedge {
  /** A client of one connection. */
  readonly #open: () => DriverClient;
  #underWay = false;
  #notBefore = -Infinity;

  constructor(open: () => DriverClient) {
    this.#open = open;
  }

  /**
   * Sends on a connection of its own, unless stopped in time, and calls `onAnswer` unless stopped
   * within the grace time after the answer. One statement is hedged at a time; others wait for their
   * turn, or are answered by what the hedge finds out.
   * @returns stops it; to be called once
   */
  start<T>(send: (client: DriverClient) => Promise<T>, onAnswer: (value: T) => void): () => void {
    let client: DriverClient | undefined;
    let stopped = false;
    const attempt = () => {
      const now = performance.now();
      if (this.#underWay || now < this.#notBefore) {
        timer = setTimeout(attempt, HEDGE_DELAY_MS);
        return;
      }
      this.#underWay = true;
      this.#notBefore = now + INTERVAL_MS;
      client = this.#open();
      // A failure here too says nothing new: the statement itself will fail or time out.
      send(client).then((value) => {
        if (!stopped) timer = setTimeout(() => onAnswer(value), GRACE_MS);
      }, () => {});
    };
    let timer = setTimeout(attempt, HEDGE_DELAY_MS);
    return () => {
      stopped = true;
      clearTimeout(timer);
      if (client === undefined) return;
      this.#underWay = false;
      client.end().catch(() => {});
    };
  }
}
