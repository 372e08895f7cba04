/**
 * The followers of this node, by stream. Only committed changes are published here, so a follower
 * may rely on a notification. It must not rely on getting one: a change on another node may be
 * missed until the next poll.
 */
import { setImmediate } from "node:timers";
import { measurements } from "../../lib/telemetry/measurements.ts";

/**
 * How many listeners are notified in one turn of the event loop, so that other work gets its turn.
 */
const NOTIFIED_PER_TURN = 100;

/** The state of a followed stream at some moment. */
export interface Snapshot {
  readonly tail: number;
  readonly closed: boolean;
  /** Whether the stream was deleted or has expired: there is nothing more to follow. */
  readonly ended: boolean;
  /** What lies before was dropped; absent where that is not known. */
  readonly earliest?: number;
}

/** A long-lived follower. An object takes less memory than a closure, which would be two more. */
export interface Listener {
  /** Called after a possible change. It must not throw: others are notified in the same turn. */
  onChange(): void;
}

/**
 * One followed stream. Shared by its followers, each of which calls `Hub.unsubscribe` when done.
 */
export class Watch implements Snapshot {
  tail: number;
  closed: boolean;
  ended: boolean;
  earliest: number;
  /** Whether changes are no longer published here: the followers have to subscribe again. */
  stale = false;
  /** When the last change was made, as `performance.now()`; see `Hub.publish`. */
  changedAt = 0;
  /** How many followers share this watch. */
  followers = 0;
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<Listener>();
  readonly #notify: (listeners: Iterable<Listener>) => void;

  constructor(
    readonly id: number,
    snapshot: Snapshot,
    notify: (listeners: Iterable<Listener>) => void = (listeners) => {
      for (const listener of listeners) listener.onChange();
    },
  ) {
    this.#notify = notify;
    this.tail = snapshot.tail;
    this.closed = snapshot.closed;
    this.ended = snapshot.ended;
    this.earliest = snapshot.earliest ?? 0;
  }

  /** Calls back once, at the next change. Returns a function that stops waiting. */
  wait(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  /**
   * Notifies the listener of changes, once for several that come close together. It does so after
   * this turn of the event loop, so that an append's answer does not wait for a thousand followers.
   */
  listen(listener: Listener): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /**
   * Takes snapshots in any order, because tails and earliest positions never fall and a closed stream
   * never opens again.
   */
  observe(snapshot: Snapshot, changedAt = performance.now()): void {
    const changed = snapshot.tail > this.tail || (snapshot.closed && !this.closed) ||
      (snapshot.ended && !this.ended) || (snapshot.earliest ?? 0) > this.earliest;
    if (!changed) return;
    this.changedAt = changedAt;
    // A snapshot of a closed stream has its final tail, because both are read from one row.
    this.closed ||= snapshot.closed;
    this.ended ||= snapshot.ended;
    if (snapshot.tail > this.tail) this.tail = snapshot.tail;
    this.earliest = Math.max(this.earliest, snapshot.earliest ?? 0);
    this.wake();
  }

  wake(): void {
    const callbacks = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of callbacks) callback();
    if (this.#listeners.size > 0) this.#notify(this.#listeners);
  }
}

export class Hub {
  readonly #watches = new Map<number, Watch>();
  #draining = false;
  #followers = 0;
  /** Listeners that have not been notified yet. */
  readonly #pending = new Set<Listener>();
  #pendingSince = 0;
  readonly #notify = (listeners: Iterable<Listener>) => {
    if (this.#pending.size === 0) this.#pendingSince = performance.now();
    if (this.#pending.size === 0) setImmediate(() => this.#notifySome());
    for (const listener of listeners) this.#pending.add(listener);
  };

  /** True once the node drains: followers end as soon as they notice. */
  get draining(): boolean {
    return this.#draining;
  }

  get followers(): number {
    return this.#followers;
  }

  follow(id: number, snapshot: Snapshot): Watch {
    let watch = this.#watches.get(id);
    if (watch === undefined) {
      watch = new Watch(id, snapshot, this.#notify);
      this.#watches.set(id, watch);
    } else {
      watch.observe(snapshot);
    }
    watch.followers++;
    this.#followers++;
    return watch;
  }

  unsubscribe(watch: Watch): void {
    this.#followers--;
    if (--watch.followers === 0 && !watch.stale) this.#watches.delete(watch.id);
  }

  /** @param changedAt when the change was made, as `performance.now()`; now, where it was made here */
  publish(id: number, snapshot: Snapshot, changedAt?: number): void {
    this.#watches.get(id)?.observe(snapshot, changedAt);
  }

  /** The watch of a stream; undefined when it has no followers. */
  watch(id: number): Watch | undefined {
    return this.#watches.get(id);
  }

  followed(): number[] {
    return [...this.#watches.keys()];
  }

  /** Ends every wait, because the database may have lost commits that were published. */
  invalidate(): void {
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    for (const watch of watches) {
      watch.stale = true;
      watch.wake();
    }
  }

  /** Ends every wait, now and in future. */
  drain(): void {
    this.#draining = true;
    for (const watch of this.#watches.values()) watch.wake();
  }

  #notifySome(): void {
    let notified = 0;
    for (const listener of this.#pending) {
      this.#pending.delete(listener);
      listener.onChange();
      if (++notified === NOTIFIED_PER_TURN) break;
    }
    if (this.#pending.size > 0) setImmediate(() => this.#notifySome());
    else measurements.fanOuts.observe(performance.now() - this.#pendingSince);
  }
}
