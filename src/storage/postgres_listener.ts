/**
 * LISTEN on a connection of its own, watched. A connection that was closed is opened again by
 * postgres.js; one that died without a word (a firewall, a pooler, a host that vanished) looks
 * alive for ever, so the listener sends itself a NOTIFY now and then and expects to hear it.
 */
import type postgres from "postgres";
import type { ListenerEvents, Listening } from "./database.ts";

/** Milliseconds between two probes, and how long one may take to arrive. */
const PROBE_MS = 3000;

export interface ListenerParts {
  /** A client of one connection. */
  readonly open: () => postgres.Sql;
  /** Sends a NOTIFY by another connection. */
  readonly notify: (payload: string) => Promise<void>;
}

export class PostgresListener implements Listening {
  readonly #parts: ListenerParts;
  readonly #channel: string;
  readonly #events: ListenerEvents;
  readonly #probe = `probe ${crypto.randomUUID()}`;
  #client: postgres.Sql;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** A probe is on its way and has not been heard. */
  #unheard = false;
  #stopped = false;

  constructor(parts: ListenerParts, channel: string, events: ListenerEvents) {
    this.#parts = parts;
    this.#channel = channel;
    this.#events = events;
    this.#client = parts.open();
  }

  /** @throws what the first LISTEN throws. */
  async start(): Promise<void> {
    await this.#listen();
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
        if (client !== this.#client) return;
        this.#unheard = false;
        if (!payload.startsWith("probe ")) this.#events.onPayload(payload);
      },
      () => {
        if (client === this.#client && !this.#stopped) this.#events.onListening();
      },
    );
  }

  #check(): void {
    if (this.#unheard) this.#replace();
    // A probe that cannot be sent says nothing about the connection that listens.
    this.#parts.notify(this.#probe).then(
      () => this.#unheard = true,
      () => {},
    );
  }

  #replace(): void {
    this.#unheard = false;
    this.#client.end({ timeout: 0 }).catch(() => {});
    this.#client = this.#parts.open();
    // Should it fail, the next probe is not heard, and this comes round again.
    this.#listen().catch(() => {});
  }
}
