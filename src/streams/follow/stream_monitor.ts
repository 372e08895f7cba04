/**
 * Keeps the state of this node's followed streams current. A notification makes it reconcile a
 * stream at once. A poll of all followed streams makes up for missed notifications within a second,
 * even when the listening connection has failed, and renews the streams' TTLs.
 */
import { PeriodicTask } from "../../lib/periodic_task.ts";
import { BaseService } from "../../lib/service.ts";
import type { StateLoader } from "../state_loader.ts";
import { unusable } from "../stream_state.ts";
import type { Hub, Watch } from "./hub.ts";

/**
 * Milliseconds between polls. The rest of the second is for loading and delivering, and for the
 * detection of a half-open connection (`Database.hedged`).
 */
const POLL_MS = 500;
/** Of so many polls, one notices tails that a failover has made fall. */
const THOROUGH_POLL = 8;
/** Streams whose state is loaded by one statement. */
const MAX_BATCH = 5000;

export class StreamMonitor extends BaseService {
  readonly #hub: Hub;
  readonly #stateLoader: StateLoader;
  readonly #poll: PeriodicTask;
  #requested = new Set<number>();
  /** When streams were changed that another node has notified us of, until they are loaded. */
  #changedAt = new Map<number, number>();
  #scheduled: Promise<void> | undefined;
  #polls = 0;
  /** Whether the next load is for more than a poll. */
  #thorough = false;
  #inProgress: Promise<void> = Promise.resolve();

  /** @param pollMs milliseconds between polls */
  constructor(hub: Hub, stateLoader: StateLoader, pollMs = POLL_MS) {
    super();
    this.#hub = hub;
    this.#stateLoader = stateLoader;
    // The task does not wait for the load, so a slow load does not delay the next poll.
    this.#poll = new PeriodicTask({ run: () => this.#pollAll(), pauseMs: pollMs });
  }

  /** Another node has notified us of a change of these streams. */
  onNotification(ids: readonly number[], changedAt?: number): void {
    if (!this.running) return;
    const followed = ids.filter((id) => this.#hub.watch(id) !== undefined);
    if (changedAt !== undefined) {
      for (const id of followed) if (!this.#changedAt.has(id)) this.#changedAt.set(id, changedAt);
    }
    if (followed.length > 0) this.#schedule(followed);
  }

  /** Loads the state of every followed stream, soon. */
  reconcileAll(): void {
    if (!this.running) return;
    this.#thorough = true;
    const followed = this.#hub.followed();
    if (followed.length > 0) this.#schedule(followed);
  }

  #pollAll(): void {
    if (this.#polls++ % THOROUGH_POLL === 0) return this.reconcileAll();
    const followed = this.#hub.followed();
    if (followed.length > 0) this.#schedule(followed);
  }

  /** Resolves when the stream's state has been loaded by a query that began after this call. */
  reconcile(id: number): Promise<void> {
    return this.#schedule([id]);
  }

  protected override onStart(): Promise<void> {
    return this.#poll.start();
  }

  protected override async onStop(): Promise<void> {
    await this.#poll.stop();
    await this.#inProgress;
  }

  #schedule(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#requested.add(id);
    this.#scheduled ??= this.#inProgress = this.#inProgress.then(() => {
      this.#scheduled = undefined;
      return this.#load();
    });
    return this.#scheduled;
  }

  async #load(): Promise<void> {
    const watches = [...this.#requested].map((id) => this.#hub.watch(id))
      .filter((watch): watch is Watch => watch?.ended === false);
    this.#requested.clear();
    const tailsMayFall = this.#thorough;
    this.#thorough = false;
    const changedAt = this.#changedAt;
    this.#changedAt = new Map();
    try {
      for (let from = 0; from < watches.length; from += MAX_BATCH) {
        const changed = await this.#stateLoader.changed(watches.slice(from, from + MAX_BATCH), {
          tailsMayFall,
        });
        for (const [id, stream] of changed) {
          this.#hub.publish(id, {
            tail: stream?.tail ?? 0,
            closed: stream?.closed ?? false,
            ended: unusable(stream) !== null,
            earliest: stream?.earliest ?? 0,
          }, changedAt.get(id));
        }
      }
    } catch {
      // The database is unavailable. Followers keep waiting, and the next poll finds the changes.
    }
  }
}
