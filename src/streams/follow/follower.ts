/**
 * A reader that waits for what is appended next: a long-poll once, an SSE connection repeatedly.
 */
import type { Hub, Listener, Watch } from "./hub.ts";
import type { StreamMonitor } from "./stream_monitor.ts";
import type { Extent, Page, PageReader } from "../read/page_reader.ts";
import { type StreamState, trimmed } from "../stream_state.ts";

export interface FollowerParts {
  readonly hub: Hub;
  readonly monitor: StreamMonitor;
  readonly reader: PageReader;
  /** As `PageReader.page`, and refuses what was dropped meanwhile. */
  readonly readPage: PageReader["page"];
}

export class Follower {
  readonly #parts: FollowerParts;
  readonly #stream: StreamState;
  readonly #watch: Watch;
  readonly #pageBytes: number;
  /** Whether the stream's state has been loaded since this follower subscribed. */
  #reconciled = false;
  #unsubscribed = false;
  #cancelWait: (() => void) | undefined;
  #listener: Listener | undefined;

  /** @param stream its state, which has just been loaded */
  constructor(parts: FollowerParts, stream: StreamState, pageBytes: number) {
    this.#parts = parts;
    this.#stream = stream;
    this.#pageBytes = pageBytes;
    this.#watch = parts.hub.follow(stream.id, {
      tail: stream.tail,
      closed: stream.closed,
      ended: false,
      earliest: stream.earliest,
    });
  }

  /** The stream's tail and whether it is closed, as far as this node knows. */
  get extent(): Extent {
    return { tail: this.#watch.tail, closed: this.#watch.closed };
  }

  /** When the last change was made that this node knows of, as `performance.now()`. */
  get changedAt(): number {
    return this.#watch.changedAt;
  }

  /** The same object for all followers that share one watch of a stream. */
  get shared(): object {
    return this.#watch;
  }

  /**
   * The page from `position` on, without waiting: an empty one at the tail.
   * @throws Refused `trimmed` when what comes next has been dropped
   */
  async page(position: number, limit = this.#pageBytes): Promise<Page> {
    this.#refuseTrimmed(position);
    return await this.#parts.readPage(this.#stream, position, this.extent, limit);
  }

  /** The same page if it is cached, else null. */
  cachedPage(position: number): Page | null {
    this.#refuseTrimmed(position);
    return this.#parts.reader.cachedPage(
      this.#stream,
      position,
      this.extent,
      this.#pageBytes,
    );
  }

  /** The status for a reader that has everything up to `position`: as `wait`, or `nothing` yet. */
  status(position: number): "more" | "ended" | "idle" | "nothing" {
    const watch = this.#watch;
    if (this.#unsubscribed || watch.stale) return "idle";
    if (watch.ended) return "ended";
    if (watch.tail > position || watch.closed) return "more";
    return this.#parts.hub.draining ? "idle" : "nothing";
  }

  /** Notifies the listener of changes of the status, until `unsubscribe`. */
  listen(listener: Listener): void {
    this.#listener = listener;
    this.#watch.listen(listener);
    // No notification came for commits between the load of the state and the subscription.
    if (!this.#reconciled) void this.#parts.monitor.reconcile(this.#watch.id);
    this.#reconciled = true;
  }

  /**
   * Waits until there is something beyond `position`.
   * @param deadline as `performance.now()`, a clock that is never set
   * @returns `more` when a page from `position` has bytes or the end of the stream; `ended` when
   * the stream was deleted or has expired; `idle` when the deadline has passed, the node drains,
   * another server was promoted, or `unsubscribe` was called
   */
  async wait(position: number, deadline: number): Promise<"more" | "ended" | "idle"> {
    while (true) {
      const status = this.status(position);
      if (status !== "nothing") return status;
      if (performance.now() >= deadline) return "idle";
      if (!this.#reconciled) {
        // As in `listen`.
        this.#reconciled = true;
        await this.#parts.monitor.reconcile(this.#watch.id);
      } else {
        await this.#change(deadline);
      }
    }
  }

  /** Stops following; a wait in progress ends as `idle`. */
  unsubscribe(): void {
    if (this.#unsubscribed) return;
    this.#unsubscribed = true;
    this.#cancelWait?.();
    if (this.#listener !== undefined) this.#watch.unlisten(this.#listener);
    this.#parts.hub.unsubscribe(this.#watch);
  }

  /** A reader that is behind what was dropped must not go on with a gap. */
  #refuseTrimmed(position: number): void {
    const { earliest } = this.#watch;
    if (position < earliest) throw trimmed({ ...this.#stream, earliest });
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
