/**
 * Hedged statements: a statement that may run twice is sent a second time, on a new connection,
 * when no answer comes soon. The first connection may be half-open (a firewall dropped its state,
 * or a host vanished), which would otherwise show only when the statement times out: an answer on
 * the new connection, while there is none on the first, shows it much sooner.
 */
import type { DriverClient } from "./driver/client.ts";

/**
 * How long to wait for an answer before sending the statement on a new connection. Milliseconds.
 * Followers' streams are polled every 500 ms, and a new connection takes some 50: together with
 * this delay, followers see a change within a second.
 */
const HEDGE_DELAY_MS = 200;
/**
 * How much later than the hedge the first answer may come. After a lock or a pause that delayed
 * both, both come within this time, and the connection is not half-open. Milliseconds.
 */
const GRACE_MS = 50;
/**
 * The shortest time between two hedges. A database that is only slow should not get more load: it
 * gets one more connection in this time, and a new pool only if it answers the hedge first.
 * Milliseconds.
 */
const INTERVAL_MS = 5000;

export class Hedge {
  /** Opens a client with one connection. */
  readonly #open: () => DriverClient;
  #underWay = false;
  #notBefore = -Infinity;

  constructor(open: () => DriverClient) {
    this.#open = open;
  }

  /**
   * Sends the statement on a connection of its own after the delay, and calls `onAnswer` at the end
   * of the grace time after the answer, unless it is stopped before. One statement is hedged at a
   * time: others wait, because a half-open connection that one hedge finds is replaced for all.
   * @returns a function that stops the hedge; it has to be called once
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
      // A failure of the hedge is ignored: the statement itself will fail or time out.
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
