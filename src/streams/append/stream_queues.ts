/** The queues of the streams that this node has appended to lately, by path, and not without bound. */
import { LruList } from "../../lib/lru_list.ts";
import { REMEMBERED } from "../../limits.ts";
import { StreamQueue } from "./stream_queue.ts";

export class StreamQueues {
  readonly #maxQueues: number;
  readonly #byPath = new Map<string, StreamQueue>();
  readonly #used = new LruList<StreamQueue>();

  constructor(maxQueues: number = REMEMBERED.streamQueues) {
    this.#maxQueues = maxQueues;
  }

  /** The queue of the stream at `path`, a new one if there is none. */
  get(path: string): StreamQueue {
    let queue = this.#byPath.get(path);
    if (queue === undefined) {
      queue = new StreamQueue(path);
      if (this.#byPath.size >= this.#maxQueues) this.#evict();
      this.#byPath.set(path, queue);
    }
    this.#used.use(queue);
    return queue;
  }

  values(): Iterable<StreamQueue> {
    return this.#byPath.values();
  }

  /** Lets about a tenth go at once, the least recently used first, of those in which nothing waits. */
  #evict(): void {
    for (let queue = this.#used.oldest; queue !== null;) {
      if (this.#byPath.size < this.#maxQueues * 0.9) return;
      const { newer } = queue;
      if (queue.evictable) {
        this.#byPath.delete(queue.path);
        this.#used.remove(queue);
      }
      queue = newer;
    }
  }
}
