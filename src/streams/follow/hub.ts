/**
 * The followers of this node, by stream. What is published here is committed; that something was
 * published is all a follower may rely on, that nothing was it may not.
 */

import { setImmediate } from "node:timers";

/** Listeners told in one turn of the event loop: whatever else has arrived comes between. */
const TOLD_A_TURN = 100;

/** What is known of a stream that somebody follows. */
export interface Sighting {
  readonly tail: number;
  readonly closed: boolean;
  /** Deleted or expired: there is nothing more to follow. */
  readonly ended: boolean;
}

/** One who follows for long. An object, where a closure would be two more a follower. */
export interface Listener {
  /** Something may have changed. Must not throw: others are told in the same turn. */
  told(): void;
}

/** One followed stream. Shared by its followers, each of which calls `Hub.leave` when done. */
export class Watch implements Sighting {
  tail: number;
  closed: boolean;
  ended: boolean;
  /** What is seen of the stream is no longer told here: whoever follows has to begin again. */
  stale = false;
  /** How many follow. */
  followers = 0;
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<Listener>();
  readonly #tell: (listeners: Iterable<Listener>) => void;

  constructor(
    readonly id: number,
    seen: Sighting,
    tell: (listeners: Iterable<Listener>) => void = (listeners) => {
      for (const listener of listeners) listener.told();
    },
  ) {
    this.#tell = tell;
    this.tail = seen.tail;
    this.closed = seen.closed;
    this.ended = seen.ended;
  }

  /** Calls back once, at the next change. Returns how to stop waiting. */
  wait(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  /**
   * Tells of changes, once for several that come close together, and not before this turn
   * of the event loop has ended: an append's answer does not wait for a thousand who follow.
   */
  listen(listener: Listener): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Tails never fall and closed never opens, so sightings may come in any order. */
  see(seen: Sighting): void {
    const news = seen.tail > this.tail || (seen.closed && !this.closed) ||
      (seen.ended && !this.ended);
    if (!news) return;
    // Who has seen a stream closed has seen its final tail: the two are one row.
    this.closed ||= seen.closed;
    this.ended ||= seen.ended;
    if (seen.tail > this.tail) this.tail = seen.tail;
    this.wake();
  }

  wake(): void {
    const callbacks = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of callbacks) callback();
    if (this.#listeners.size > 0) this.#tell(this.#listeners);
  }
}

export class Hub {
  readonly #watches = new Map<number, Watch>();
  #draining = false;
  #followers = 0;
  /** Listeners that have not been told yet. */
  readonly #untold = new Set<Listener>();
  readonly #tell = (listeners: Iterable<Listener>) => {
    if (this.#untold.size === 0) setImmediate(() => this.#tellSome());
    for (const listener of listeners) this.#untold.add(listener);
  };

  /** True once the node is going away: followers end at their next turn. */
  get draining(): boolean {
    return this.#draining;
  }

  get followers(): number {
    return this.#followers;
  }

  follow(id: number, seen: Sighting): Watch {
    let watch = this.#watches.get(id);
    if (watch === undefined) {
      watch = new Watch(id, seen, this.#tell);
      this.#watches.set(id, watch);
    } else {
      watch.see(seen);
    }
    watch.followers++;
    this.#followers++;
    return watch;
  }

  leave(watch: Watch): void {
    this.#followers--;
    if (--watch.followers === 0 && !watch.stale) this.#watches.delete(watch.id);
  }

  publish(id: number, seen: Sighting): void {
    this.#watches.get(id)?.see(seen);
  }

  /** The watch of a followed stream, or undefined. */
  watch(id: number): Watch | undefined {
    return this.#watches.get(id);
  }

  followed(): number[] {
    return [...this.#watches.keys()];
  }

  #tellSome(): void {
    let told = 0;
    for (const listener of this.#untold) {
      this.#untold.delete(listener);
      listener.told();
      if (++told === TOLD_A_TURN) break;
    }
    if (this.#untold.size > 0) setImmediate(() => this.#tellSome());
  }

  /** Ends every wait: tails that were seen may never have been. */
  forget(): void {
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    for (const watch of watches) {
      watch.stale = true;
      watch.wake();
    }
  }

  /** Ends every wait, for ever. */
  drain(): void {
    this.#draining = true;
    for (const watch of this.#watches.values()) watch.wake();
  }
}
