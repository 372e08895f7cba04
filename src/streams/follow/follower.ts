/** One reader that waits for what comes next: a long-poll for a while, an SSE connection for long. */
import type { Hub, Listener, Watch } from "./hub.ts";
import type { StreamMonitor } from "./stream_monitor.ts";
import type { Extent, Page, PageReader } from "../read/page_reader.ts";
import type { StreamState } from "../stream_state.ts";

export interface FollowerParts {
  readonly hub: Hub;
  readonly followed: StreamMonitor;
  readonly reader: PageReader;
}

export class Follower {
  readonly #parts: FollowerParts;
  readonly #stream: StreamState;
  readonly #watch: Watch;
  readonly #pageBytes: number;
  #looked = false;
  #left = false;
  #cancelWait: (() => void) | undefined;
  #listener: Listener | undefined;

  /** @param stream as a strict look has just shown it */
  constructor(parts: FollowerParts, stream: StreamState, pageBytes: number) {
    this.#parts = parts;
    this.#stream = stream;
    this.#pageBytes = pageBytes;
    this.#watch = parts.hub.follow(stream.id, {
      tail: stream.tail,
      closed: stream.closed,
      ended: false,
    });
  }

  /** How far the stream reaches, as far as this node knows. */
  get extent(): Extent {
    return { tail: this.#watch.tail, closed: this.#watch.closed };
  }

  /** The same object for all who follow the same stream, and know the same of it. */
  get shared(): object {
    return this.#watch;
  }

  /** What is there from `position` on, without waiting: an empty page at the tail. */
  page(position: number, limit = this.#pageBytes): Promise<Page> {
    return this.#parts.reader.page(this.#stream, position, this.extent, limit);
  }

  /** The same where that is in memory, else null. */
  pageAtHand(position: number): Page | null {
    return this.#parts.reader.pageAtHand(
      this.#stream,
      position,
      this.extent,
      this.#pageBytes,
    );
  }

  /** How things stand for a reader that has seen `position`; see `wait`. */
  standing(position: number): "more" | "ended" | "idle" | "nothing" {
    const watch = this.#watch;
    if (this.#left || watch.stale) return "idle";
    if (watch.ended) return "ended";
    if (watch.tail > position || watch.closed) return "more";
    return this.#parts.hub.draining ? "idle" : "nothing";
  }

  /** Tells of changes of how things stand, until `leave`. For those who follow for long. */
  listen(listener: Listener): void {
    this.#listener = listener;
    this.#watch.listen(listener);
    // What was committed between the strict look and `follow` woke nobody here.
    if (!this.#looked) void this.#parts.followed.lookAt(this.#watch.id);
    this.#looked = true;
  }

  /**
   * Waits until there is something beyond `position`.
   * @returns `more` when a page from `position` has bytes or the end; `ended` when the stream was
   * deleted or expired; `idle` when the deadline (as `performance.now()`: nobody sets that clock) has passed, the
   * node drains, the database was replaced or `leave` was called
   */
  async wait(position: number, deadline: number): Promise<"more" | "ended" | "idle"> {
    while (true) {
      const standing = this.standing(position);
      if (standing !== "nothing") return standing;
      if (performance.now() >= deadline) return "idle";
      if (!this.#looked) {
        // As in `listen`.
        this.#looked = true;
        await this.#parts.followed.lookAt(this.#watch.id);
      } else {
        await this.#change(deadline);
      }
    }
  }

  /** Stops following; a wait under way ends as `idle`. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#cancelWait?.();
    if (this.#listener !== undefined) this.#watch.unlisten(this.#listener);
    this.#parts.hub.leave(this.#watch);
  }

  #change(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        cancel();
        this.#cancelWait = undefined;
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, deadline - performance.now()));
      const cancel = this.#watch.wait(done);
      this.#cancelWait = done;
    });
  }
}
