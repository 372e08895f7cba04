/**
 * The audit: walks all cursors, a slice at a time, and looks again at streams whose appends no look
 * has seen, because their node died before it, or never learnt that its commit succeeded. All nodes
 * together take one slice a second; a node that starts goes round once at once.
 */
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
  readonly onMissed: (streamIds: readonly number[]) => void;
}

export class Reconciler {
  readonly #parts: ReconcilerParts;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #underWay: Promise<void> = Promise.resolve();
  /** Full rounds that this node still makes without pauses. */
  #hurried = 1;
  #stopped = false;

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#underWay = this.#step();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#underWay;
  }

  async #step(): Promise<void> {
    const { store, telemetry, onMissed } = this.#parts;
    let pause = PAUSE_MS;
    try {
      const began = performance.now();
      const report = await store.audit(SLICE, PAUSE_MS, this.#hurried > 0);
      if (report !== null) {
        if (report.streamIds.length > 0) onMissed(report.streamIds);
        if (report.wrapped && this.#hurried > 0) this.#hurried--;
        pause = Math.max(PAUSE_MS, (performance.now() - began) * DUTY);
        if (this.#hurried > 0) pause = 0;
      }
    } catch (error) {
      telemetry.report({ event: "subscriptions_failed", error });
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#underWay = this.#step(), pause);
  }
}
