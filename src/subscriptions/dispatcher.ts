/**
 * When wakes are issued: a few milliseconds after commits, for all streams they wrote, off the
 * appends' path; and now and then for what is due, whichever node began it.
 */
import { PeriodicTask } from "../lib/periodic_task.ts";
import { BaseService, startAll, stopAll } from "../lib/service.ts";
import type { Telemetry } from "../telemetry/events.ts";
import type { Deliverer } from "./deliverer.ts";
import { type DueRow, idsOf, type SubscriptionStore } from "./store.ts";

/** Milliseconds that written streams are gathered before wakes are issued for them. */
const GATHER_MS = 5;
/** Streams that one statement issues wakes for. */
const LARGEST_BATCH = 1000;
/** Written streams remembered while the database is away; the reconciler finds those beyond. */
const MOST_WRITTEN = 200_000;
const RETRY_MS = 1000;
/** Milliseconds between two polls for what is due. */
const POLL_MS = 500;

export interface DispatcherParts {
  readonly store: SubscriptionStore;
  readonly deliverer: Deliverer;
  readonly telemetry: Telemetry;
}

export class Dispatcher extends BaseService {
  readonly #parts: DispatcherParts;
  readonly #written = new Set<number>();
  /** Issues wakes for written streams, when there are any. */
  readonly #issuing: PeriodicTask;
  /** Takes up what is due: leases that ended, deliveries to be tried again. */
  readonly #polling: PeriodicTask;

  constructor(parts: DispatcherParts) {
    super();
    this.#parts = parts;
    const onError = (error: unknown) => {
      parts.telemetry.report({ event: "subscriptions_failed", error });
      return RETRY_MS;
    };
    this.#issuing = new PeriodicTask({ pauseMs: Infinity, run: () => this.#issueWakes(), onError });
    this.#polling = new PeriodicTask({
      firstMs: 0,
      // Spread, so that nodes do not poll in step.
      pauseMs: () => POLL_MS * (0.75 + Math.random() / 2),
      run: () => this.#takeDue(),
      onError,
    });
  }

  protected override async onStart(): Promise<void> {
    await startAll([this.#issuing, this.#polling]);
    if (this.#written.size > 0) this.#issuing.runIn(0);
  }

  protected override async onStop(): Promise<void> {
    await stopAll([this.#issuing, this.#polling]);
    // Wakes for what was committed last are issued now: the reconciler would take seconds.
    if (this.#written.size > 0) await this.#issueWakes().catch(() => {});
  }

  /** These streams were written, or created. Called on the appends' path: it only remembers. */
  written(ids: readonly number[]): void {
    for (const id of ids) this.#written.add(id);
    this.#issuing.runIn(GATHER_MS);
  }

  /** As `written`, of a list such as `1,2,3`. */
  cursorsMoved(list: string | null): void {
    if (list !== null) this.written(idsOf(list));
  }

  /** Something comes due in so many milliseconds. */
  pollIn(ms: number): void {
    this.#polling.runIn(ms);
  }

  /** Returns the milliseconds until the next batch, or nothing when there is none. */
  async #issueWakes(): Promise<number | undefined> {
    const { store, deliverer } = this.#parts;
    const ids = [...this.#written].slice(0, LARGEST_BATCH);
    for (const id of ids) this.#written.delete(id);
    try {
      for (const wake of await store.issueWakes(ids)) deliverer.deliver(wake);
    } catch (error) {
      if (this.#written.size < MOST_WRITTEN) { for (const id of ids) this.#written.add(id); }
      throw error;
    }
    return this.#written.size > 0 ? GATHER_MS : undefined;
  }

  /** Returns the milliseconds until the next poll, or nothing where the usual pause will do. */
  async #takeDue(): Promise<number | undefined> {
    const { store, deliverer } = this.#parts;
    const { room } = deliverer;
    const due = room > 0 ? await store.takeDue(room) : [];
    for (const row of due) this.#resume(row);
    return due.length > 0 && due.length === room ? GATHER_MS : undefined;
  }

  #resume({ id, name, ...was }: DueRow): void {
    const { deliverer, telemetry } = this.#parts;
    if (was.was_phase !== "retrying") {
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
}
