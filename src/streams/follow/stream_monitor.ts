/**
 * Keeps what this node's followers know true. Hints say where to look at once; a coarse look at
 * what has changed covers every hint that was lost within a second, whatever became of the
 * connection that listens, and keeps streams with followers from expiring.
 */
import type { Hub, Watch } from "./hub.ts";
import type { StateLoader } from "../state_loader.ts";
import { unusable } from "../stream_state.ts";

/**
 * Milliseconds between coarse looks. What remains of the second is for looking and delivering, and
 * for finding out that the connection which was asked is dead (`Database.hedged`).
 */
const COARSE_MS = 500;
const LARGEST_LOOK = 5000;

export class StreamMonitor {
  readonly #hub: Hub;
  readonly #looks: StateLoader;
  #wanted = new Set<number>();
  #next: Promise<void> | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(hub: Hub, looks: StateLoader) {
    this.#hub = hub;
    this.#looks = looks;
  }

  start(): void {
    this.#timer = setInterval(() => this.reconcileAll(), COARSE_MS);
  }

  stop(): Promise<void> {
    clearInterval(this.#timer);
    return this.#underWay;
  }

  hint(ids: readonly number[]): void {
    const followed = ids.filter((id) => this.#hub.watch(id) !== undefined);
    if (followed.length > 0) this.#soon(followed);
  }

  reconcileAll(): void {
    const followed = this.#hub.followed();
    if (followed.length > 0) this.#soon(followed);
  }

  /** Resolves when the stream has been looked at, by a look that leaves after this call. */
  lookAt(id: number): Promise<void> {
    return this.#soon([id]);
  }

  #soon(ids: readonly number[]): Promise<void> {
    for (const id of ids) this.#wanted.add(id);
    this.#next ??= this.#underWay = this.#underWay.then(() => {
      this.#next = undefined;
      return this.#look();
    });
    return this.#next;
  }

  async #look(): Promise<void> {
    const watches = [...this.#wanted].map((id) => this.#hub.watch(id))
      .filter((watch): watch is Watch => watch?.ended === false);
    this.#wanted.clear();
    try {
      for (let from = 0; from < watches.length; from += LARGEST_LOOK) {
        const changed = await this.#looks.changed(watches.slice(from, from + LARGEST_LOOK));
        for (const [id, stream] of changed) {
          this.#hub.publish(id, {
            tail: stream?.tail ?? 0,
            closed: stream?.closed ?? false,
            ended: unusable(stream) !== null,
          });
        }
      }
    } catch {
      // The database is away. Followers keep waiting; the next coarse look tells them.
    }
  }
}
