/**
 * Statements that may run twice, asked a second time. A connection that died without a word (a
 * firewall that forgot it, a host that vanished) looks alive until its statement's time is up; a
 * statement that is answered on a new connection meanwhile shows sooner that it is dead.
 */
import type { Client } from "./client.ts";

/**
 * How long an answer may take before it is asked for elsewhere. Milliseconds. A follower's look
 * comes 500 ms after the last, and new connections take some 50: together less than a second.
 */
const PATIENCE_MS = 200;
/** What held up one answer as well as the other (a lock, a pause) lets both come now. Milliseconds. */
const GRACE_MS = 50;
/**
 * Between two beginnings. A database that is slow, and not dead, gets no more than one connection
 * in this time, and a pool's worth if it answers that one first. Milliseconds.
 */
const REST_MS = 5000;

export class Hedge {
  /** A client of one connection. */
  readonly #open: () => Client;
  #underWay = false;
  #notBefore = -Infinity;

  constructor(open: () => Client) {
    this.#open = open;
  }

  /**
   * Sends on a connection of its own, unless stopped in time, and tells what came back when that
   * did not stop it either. One at a time: who does not get the turn waits for it, or for what it
   * finds out.
   * @returns how to stop, once
   */
  start<T>(send: (client: Client) => Promise<T>, onAnswer: (value: T) => void): () => void {
    let lone: Client | undefined;
    let stopped = false;
    const attempt = () => {
      const now = performance.now();
      if (this.#underWay || now < this.#notBefore) {
        timer = setTimeout(attempt, PATIENCE_MS);
        return;
      }
      this.#underWay = true;
      this.#notBefore = now + REST_MS;
      lone = this.#open();
      // That it fails too says nothing new.
      send(lone).then((value) => {
        if (!stopped) timer = setTimeout(() => onAnswer(value), GRACE_MS);
      }, () => {});
    };
    let timer = setTimeout(attempt, PATIENCE_MS);
    return () => {
      stopped = true;
      clearTimeout(timer);
      if (lone === undefined) return;
      this.#underWay = false;
      lone.end({ timeout: 0 }).catch(() => {});
    };
  }
}
