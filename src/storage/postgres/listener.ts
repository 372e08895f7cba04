/**
 * LISTEN on a connection of its own, which is probed. postgres.js reopens a connection that was
 * closed, but cannot notice one that is half-open (its firewall, pooler or host has failed). So the
 * listener regularly sends itself a NOTIFY, and replaces the connection when it does not arrive.
 * The same probes tell the listener's peers that there is another node.
 */
import { measurements } from "../../lib/telemetry/measurements.ts";
import { PeriodicTask } from "../../lib/periodic_task.ts";
import { BaseService } from "../../lib/service.ts";
import { withTimeout } from "../../lib/timeout.ts";
import { DatabaseUnavailable, type ListenerEvents, type Listening } from "../database.ts";
import { DatabaseRefused } from "./checks.ts";
import type { DriverClient } from "./driver/client.ts";

/** Milliseconds between two probes; a probe has as long to arrive. */
const PROBE_MS = 2000;
const PROBE = "probe";

export interface ListenerParts {
  /** Opens a client with one connection. */
  readonly open: () => DriverClient;
  /** Sends a NOTIFY on another connection. */
  readonly notify: (payload: string) => Promise<void>;
}

export class PostgresListener extends BaseService implements Listening {
  readonly peerIntervalMs = PROBE_MS;
  readonly #parts: ListenerParts;
  readonly #channel: string;
  readonly #events: ListenerEvents;
  readonly #name = crypto.randomUUID();
  readonly #checks = new PeriodicTask({ run: () => this.#check(), pauseMs: PROBE_MS });
  #client: DriverClient | undefined;
  #probes = 0;
  /** The number of the last probe known to be sent, and that of the last probe received. */
  #sent = 0;
  #heard = 0;
  #onHeard: () => void = () => {};
  /** When the last probe was sent, as `performance.now()`. */
  #probedAt = 0;

  constructor(parts: ListenerParts, channel: string, events: ListenerEvents) {
    super();
    this.#parts = parts;
    this.#channel = channel;
    this.#events = events;
  }

  /**
   * Resolves when a first NOTIFY has been received.
   * @throws what the first LISTEN throws, or DatabaseRefused when no NOTIFY arrives
   */
  protected override async onStart(): Promise<void> {
    await withTimeout(
      this.#listen(),
      PROBE_MS,
      () => new DatabaseUnavailable(`the connection that listens: no answer in ${PROBE_MS} ms`),
    );
    const heard = new Promise<void>((resolve) => this.#onHeard = resolve);
    await this.#probe();
    await withTimeout(heard, PROBE_MS, () =>
      new DatabaseRefused(
        "a NOTIFY sent by the database URL is not heard where this node listens: --listen-url " +
          "must lead to the same database, past any pooler; or say --wakeups poll",
      ));
    await this.#checks.start();
  }

  protected override async onStop(): Promise<void> {
    const checks = this.#checks.stop();
    await this.#client?.end();
    await checks;
  }

  async #listen(): Promise<void> {
    const client = this.#parts.open();
    this.#client = client;
    await client.sql.listen(
      this.#channel,
      (payload) => {
        if (client === this.#client) this.#hear(payload);
      },
      () => {
        if (client === this.#client && this.running) this.#events.onListening();
      },
    );
  }

  #hear(payload: string): void {
    if (!payload.startsWith(PROBE)) return this.#events.onPayload(payload);
    const [, name, number] = payload.split(" ");
    if (name !== this.#name) return this.#events.onPeer();
    if (Number(number) === this.#probes) this.#measure();
    this.#heard = Math.max(this.#heard, Number(number));
    this.#onHeard();
  }

  async #probe(): Promise<void> {
    const number = ++this.#probes;
    this.#probedAt = performance.now();
    await this.#parts.notify(`${PROBE} ${this.#name} ${number}`);
    this.#sent = Math.max(this.#sent, number);
  }

  #check(): void {
    if (this.#heard < this.#sent) this.#replaceConnection();
    // A probe that cannot be sent says nothing about the listening connection, so its failure is
    // ignored. It is not awaited, because it may take as long as any statement, and the connection
    // has to be checked meanwhile.
    this.#probe().catch(() => {});
  }

  #measure(): void {
    measurements.listening = 1;
    measurements.notifyMs = performance.now() - this.#probedAt;
    measurements.wakeUps.observe(measurements.notifyMs);
  }

  #replaceConnection(): void {
    measurements.listening = 0;
    this.#heard = this.#sent;
    this.#client?.end().catch(() => {});
    // If LISTEN fails, the next probe does not arrive, and the connection is replaced again.
    this.#listen().catch(() => {});
  }
}
