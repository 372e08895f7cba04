/**
 * The followers of this node, by stream. Whatever is published here is committed. A follower may rely
 * on what it is notified of; that it was not notified means nothing.
 */
import { setImmediate } from "node:timers";

/** Listeners notified in one turn of the event loop: other work gets its turn between. */
const NOTIFIED_PER_TURN = 100;

/** What was known of a followed stream at some moment. */
export interface Snapshot {
  readonly tail: number;
  readonly closed: boolean;
  /** Deleted or expired: there is nothing more to follow. */
  readonly ended: boolean;
}

/** A follower for long. An object, where a closure would be two more for each follower. */
export interface Listener {
  /** Something may have changed. Must not throw: others are notified in the same turn. */
  onChange(): void;
}

/** One followed stream. Shared by its followers, each of which calls `Hub.unsubscribe` when done. */
export class Watch implements Snapshot {
  tail: number;
  closed: boolean;
  ended: boolean;
  /** Changes of the stream are no longer published here: its followers have to begin again. */
  stale = false;
  /** How many follow. */
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
  }

  /** Calls back once, at the next change. Returns how to stop waiting. */
  wait(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  /**
   * Notifies of changes, once for several that come close together, and not before this turn of the
   * event loop has ended: an append's answer does not wait for a thousand followers.
   */
  listen(listener: Listener): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Tails never fall and closed never opens, so snapshots may come in any order. */
  observe(snapshot: Snapshot): void {
    const changed = snapshot.tail > this.tail || (snapshot.closed && !this.closed) ||
      (snapshot.ended && !this.ended);
    if (!changed) return;
    // A snapshot of a closed stream has its final tail: the two are one row.
    this.closed ||= snapshot.closed;
    this.ended ||= snapshot.ended;
    if (snapshot.tail > this.tail) this.tail = snapshot.tail;
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
  readonly #notify = (listeners: Iterable<Listener>) => {
    if (this.#pending.size === 0) setImmediate(() => this.#notifySome());
    for (const listener of listeners) this.#pending.add(listener);
  };

  /** True once the node drains: followers end at their next turn. */
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

  publish(id: number, snapshot: Snapshot): void {
    this.#watches.get(id)?.observe(snapshot);
  }

  /** The watch of a followed stream, or undefined. */
  watch(id: number): Watch | undefined {
    return this.#watches.get(id);
  }

  followed(): number[] {
    return [...this.#watches.keys()];
  }

  /** Ends every wait: tails that were published may never have been. */
  invalidate(): void {
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    for (const watch of watches) {
      watch.stale = true;
      watch.wake();
    }
  }

  /** Ends every wait, for good. */
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
  }
}
