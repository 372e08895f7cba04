/**
 * The followers of this node, by stream. What is published here is committed; that something was
 * published is all a follower may rely on, that nothing was it may not.
 */

/** What is known of a stream that somebody follows. */
export interface Sighting {
  readonly tail: number;
  readonly closed: boolean;
  /** Deleted or expired: there is nothing more to follow. */
  readonly ended: boolean;
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

  constructor(readonly id: number, seen: Sighting) {
    this.tail = seen.tail;
    this.closed = seen.closed;
    this.ended = seen.ended;
  }

  /** Calls back once, at the next change. Returns how to stop waiting. */
  wait(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
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
  }
}

export class Hub {
  readonly #watches = new Map<number, Watch>();
  #draining = false;
  #followers = 0;

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
      watch = new Watch(id, seen);
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
