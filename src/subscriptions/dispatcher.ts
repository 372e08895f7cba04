/**
 * When to look for wakes: a few milliseconds after commits, for all streams they wrote, off the
 * appends' path; and now and then for what is due, whichever node began it.
 */
import { PHASE_RETRYING } from "../storage/schema.ts";
import type { Telemetry } from "../telemetry/events.ts";
import type { Deliverer } from "./deliverer.ts";
import { idsOf, type SubscriptionStore } from "./store.ts";

/** Milliseconds that written streams are gathered before a look. */
const GATHER_MS = 5;
/** Streams of one look. */
const LARGEST_LOOK = 1000;
/** Written streams remembered while the database is away; beyond, the audit finds them. */
const MOST_WRITTEN = 200_000;
const RETRY_MS = 1000;
/** Milliseconds between two polls for what is due, spread so that nodes do not poll in step. */
const POLL_MS = 500;

export interface DispatcherParts {
  readonly store: SubscriptionStore;
  readonly deliverer: Deliverer;
  readonly telemetry: Telemetry;
}

export class Dispatcher {
  readonly #parts: DispatcherParts;
  #written = new Set<number>();
  #lookTimer: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> | undefined;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  #pollAt = Infinity;
  #polling: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  start(): void {
    this.pollIn(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#pollTimer);
    clearTimeout(this.#lookTimer);
    await Promise.all([this.#looking, this.#polling]);
    // What was committed last: looked at now, for the audit would take seconds to find it.
    if (this.#written.size > 0) await this.#look();
  }

  /** These streams were written, or created. Called on the appends' path: it only remembers. */
  written(ids: readonly number[]): void {
    for (const id of ids) this.#written.add(id);
    this.#lookIn(GATHER_MS);
  }

  /** As `written`, of a list such as `1,2,3`. */
  moved(list: string | null): void {
    if (list !== null) this.written(idsOf(list));
  }

  /** Something comes due in so many milliseconds. */
  pollIn(ms: number): void {
    const at = performance.now() + ms;
    if (this.#stopped || at >= this.#pollAt) return;
    this.#pollAt = at;
    clearTimeout(this.#pollTimer);
    this.#pollTimer = setTimeout(() => {
      this.#polling = this.#poll();
    }, ms);
  }

  #lookIn(ms: number): void {
    if (this.#lookTimer !== undefined || this.#looking !== undefined || this.#stopped) return;
    this.#lookTimer = setTimeout(() => {
      this.#lookTimer = undefined;
      this.#looking = this.#look().then((pause) => {
        this.#looking = undefined;
        if (this.#written.size > 0) this.#lookIn(pause);
      });
    }, ms);
  }

  /** Returns the milliseconds to wait before the next. */
  async #look(): Promise<number> {
    const { store, deliverer, telemetry } = this.#parts;
    const ids = [...this.#written].slice(0, LARGEST_LOOK);
    for (const id of ids) this.#written.delete(id);
    try {
      const wakes = await store.look(ids);
      for (const wake of wakes) deliverer.deliver(wake);
      return GATHER_MS;
    } catch (error) {
      if (this.#written.size < MOST_WRITTEN) { for (const id of ids) this.#written.add(id); }
      telemetry.report({ event: "subscriptions_failed", error });
      return RETRY_MS;
    }
  }

  async #poll(): Promise<void> {
    const { store, deliverer, telemetry } = this.#parts;
    let pause = POLL_MS * (0.75 + Math.random() / 2);
    try {
      const room = deliverer.room;
      const due = room > 0 ? await store.takeDue(room) : [];
      if (due.length > 0 && due.length === room) pause = GATHER_MS;
      for (const { id, name, ...was } of due) {
        if (was.was_phase !== PHASE_RETRYING) {
          telemetry.report({
            event: "lease_expired",
            subscription: name,
            generation: was.was_generation,
            holder: was.was_holder,
          });
        }
        if (was.next_generation !== null) {
          deliverer.deliver({ id, name, generation: was.next_generation });
        }
      }
    } catch (error) {
      telemetry.report({ event: "subscriptions_failed", error });
      pause = RETRY_MS;
    }
    this.#pollAt = Infinity;
    this.pollIn(pause);
  }
}
