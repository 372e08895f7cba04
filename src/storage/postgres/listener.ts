/**
 * LISTEN on a connection of its own, watched. A connection that was closed is opened again by
 * postgres.js; one that died without a word (a firewall, a pooler, a host that vanished) looks
 * alive for ever, so the listener sends itself a NOTIFY now and then and expects to hear it. Other
 * listeners learn from it that this one is there.
 */
import type postgres from "postgres";
import { DatabaseUnavailable, type ListenerEvents, type Listening } from "../database.ts";
import { DatabaseRefused } from "./checks.ts";

/** Milliseconds between two probes, and how long one may take to arrive. */
const PROBE_MS = 2000;
const PROBE = "probe";

export interface ListenerParts {
  /** A client of one connection. */
  readonly open: () => postgres.Sql;
  /** Sends a NOTIFY by another connection. */
  readonly notify: (payload: string) => Promise<void>;
}

export class PostgresListener implements Listening {
  readonly peerIntervalMs = PROBE_MS;
  readonly #parts: ListenerParts;
  readonly #channel: string;
  readonly #events: ListenerEvents;
  readonly #name = crypto.randomUUID();
  #client: postgres.Sql;
  #timer: ReturnType<typeof setInterval> | undefined;
  #probes = 0;
  /** The last probe that was certainly sent, and the last that was heard. */
  #sent = 0;
  #heard = 0;
  #onHeard: () => void = () => {};
  #stopped = false;

  constructor(parts: ListenerParts, channel: string, events: ListenerEvents) {
    this.#parts = parts;
    this.#channel = channel;
    this.#events = events;
    this.#client = parts.open();
  }

  /**
   * Resolves when a NOTIFY has been heard.
   * @throws what the first LISTEN throws, or DatabaseRefused when NOTIFY does not arrive here
   */
  async start(): Promise<void> {
    try {
      await within(PROBE_MS, this.#listen());
      const heard = new Promise<void>((resolve) => this.#onHeard = resolve);
      await this.#probe();
      await within(PROBE_MS, heard).catch(() => {
        throw new DatabaseRefused(
          "a NOTIFY sent by the database URL is not heard where this node listens: --listen-url " +
            "must lead to the same database, past any pooler; or say --wakeups poll",
        );
      });
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#timer = setInterval(() => this.#check(), PROBE_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#client.end({ timeout: 0 });
  }

  async #listen(): Promise<void> {
    const client = this.#client;
    await client.listen(
      this.#channel,
      (payload) => {
        if (client === this.#client) this.#hear(payload);
      },
      () => {
        if (client === this.#client && !this.#stopped) this.#events.onListening();
      },
    );
  }

  #hear(payload: string): void {
    if (!payload.startsWith(PROBE)) return this.#events.onPayload(payload);
    const [, name, number] = payload.split(" ");
    if (name !== this.#name) return this.#events.onPeer();
    this.#heard = Math.max(this.#heard, Number(number));
    this.#onHeard();
  }

  async #probe(): Promise<void> {
    const number = ++this.#probes;
    await this.#parts.notify(`${PROBE} ${this.#name} ${number}`);
    this.#sent = Math.max(this.#sent, number);
  }

  #check(): void {
    if (this.#heard < this.#sent) this.#replace();
    // A probe that cannot be sent says nothing about the connection that listens.
    this.#probe().catch(() => {});
  }

  #replace(): void {
    this.#heard = this.#sent;
    this.#client.end({ timeout: 0 }).catch(() => {});
    this.#client = this.#parts.open();
    // Should it fail, the next probe is not heard, and this comes round again.
    this.#listen().catch(() => {});
  }
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new DatabaseUnavailable(`the connection that listens: no answer in ${ms} ms`);
    timer = setTimeout(() => reject(error), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** How this node learns of what others wrote. */
export interface WakeupMode {
  readonly mode: "listen" | "poll";
  /** As a sentence goes on: `on a connection of its own`. */
  readonly reason: string;
  /** It was fallen back on, and not asked for. */
  readonly fallback: boolean;
}

export interface WakeupOptions {
  readonly wakeups: "auto" | "listen" | "poll";
  readonly listenUrl: string | null;
}

/** @param pooled whether the database URL leads to a pooler */
export function wakeupMode({ wakeups, listenUrl }: WakeupOptions, pooled: boolean): WakeupMode {
  if (wakeups === "poll") return { mode: "poll", reason: "as asked", fallback: false };
  if (listenUrl !== null) {
    return { mode: "listen", reason: "on a connection by --listen-url", fallback: false };
  }
  if (pooled && wakeups === "auto") {
    const reason = "the database URL leads to a connection pooler, and those lose NOTIFY; " +
      "--listen-url with a direct URL is quicker";
    return { mode: "poll", reason, fallback: true };
  }
  return { mode: "listen", reason: "on a connection of its own", fallback: false };
}
