/**
 * Reconciles cursors with streams: walks all cursors, a slice at a time, and issues wakes for streams
 * whose appends no node has matched with subscriptions, because their node died before it, or never
 * learnt that its commit succeeded. All nodes together take one slice a second; a node that starts
 * goes round once at once.
 */
import { PeriodicTask } from "../lib/periodic_task.ts";
import type { Telemetry } from "../telemetry/events.ts";
import type { SubscriptionStore } from "./store.ts";

/** Cursors of one slice: some 20 ms of one connection. */
const SLICE = 10_000;
const PAUSE_MS = 1000;
/** A slice that took long is followed by a pause fifty times as long. */
const DUTY = 50;

export interface ReconcilerParts {
  readonly store: SubscriptionStore;
  readonly telemetry: Telemetry;
  /** Told the ids of streams whose appends had been missed. */
  readonly onMissed: (streamIds: readonly number[]) => void;
}

export class Reconciler extends PeriodicTask {
  readonly #parts: ReconcilerParts;
  /** Whether this node still walks all cursors once without pauses. */
  #firstRound = true;

  constructor(parts: ReconcilerParts) {
    super({
      firstMs: 0,
      pauseMs: PAUSE_MS,
      run: () => this.#reconcileSlice(),
      onError: (error) => parts.telemetry.report({ event: "subscriptions_failed", error }),
    });
    this.#parts = parts;
  }

  /** Returns the milliseconds to pause after the slice. */
  async #reconcileSlice(): Promise<number> {
    const { store, onMissed } = this.#parts;
    const began = performance.now();
    const report = await store.reconcile(SLICE, PAUSE_MS, this.#firstRound);
    if (report === null) return PAUSE_MS;
    if (report.streamIds.length > 0) onMissed(report.streamIds);
    if (report.wrapped) this.#firstRound = false;
    return this.#firstRound ? 0 : Math.max(PAUSE_MS, (performance.now() - began) * DUTY);
  }
}
