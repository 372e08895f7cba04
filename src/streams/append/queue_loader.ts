/** Loads what queues' appends rest on and is not known: streams' states, and producers' states. */
import { Batcher } from "../../lib/batcher.ts";
import type { Database } from "../../storage/database.ts";
import type { StateLoader } from "../state_loader.ts";
import { unusable } from "../stream_state.ts";
import { countProducers, loadProducers } from "./producers.ts";
import type { StreamQueue } from "./stream_queue.ts";

/** Queues in one load. */
const MAX_BATCH = 1000;

/** How many producers a stream may have. */
export interface ProducerLimit {
  readonly perStream: number;
  /** For how long a count of a stream's producers is good. Milliseconds. */
  readonly countedMs: number;
}

export interface QueueLoaderParts {
  readonly database: Database;
  readonly stateLoader: StateLoader;
  /** Null: a stream may have any number. */
  readonly producerLimit: ProducerLimit | null;
  /** Called with the queues of a load when it has ended, whatever became of it. */
  readonly onLoaded: (queues: readonly StreamQueue[]) => void;
}

export class QueueLoader {
  readonly #parts: QueueLoaderParts;
  readonly #batcher: Batcher<StreamQueue, void>;

  constructor(parts: QueueLoaderParts) {
    this.#parts = parts;
    this.#batcher = new Batcher({
      concurrency: 1,
      maxBatch: MAX_BATCH,
      run: (queues) => this.#run(queues),
    });
  }

  /** Takes the queue into the next load. */
  enqueue(queue: StreamQueue): void {
    queue.enqueueForLoad();
    void this.#batcher.submit(queue);
  }

  /** Never rejects: what fails is the appends that wait. */
  async #run(queues: readonly StreamQueue[]): Promise<void[]> {
    for (const queue of queues) queue.beginLoad();
    try {
      await this.#loadStreams(queues);
      await this.#loadProducers(queues);
    } catch (error) {
      for (const queue of queues) {
        queue.invalidate();
        for (const append of queue.waiting.splice(0)) append.reject(error);
      }
    }
    this.#parts.onLoaded(queues);
    return [];
  }

  async #loadStreams(queues: readonly StreamQueue[]): Promise<void> {
    const unknown = queues.filter((queue) => queue.stream === null);
    if (unknown.length === 0) return;
    // The stream may be created while the query is in progress: an append that arrives meanwhile
    // must not be told that it does not exist.
    const waitingBefore = unknown.map((queue) => queue.waiting.length);
    const states = await this.#parts.stateLoader.loadAll(unknown.map((queue) => queue.path));
    unknown.forEach((queue, at) => {
      const stream = states.get(queue.path) ?? null;
      const refusal = unusable(stream);
      if (refusal === null) return queue.setStream(stream!);
      queue.invalidate();
      for (const append of queue.waiting.splice(0, waitingBefore[at])) append.resolve(refusal);
    });
  }

  async #loadProducers(queues: readonly StreamQueue[]): Promise<void> {
    const claims = queues.flatMap((queue) =>
      queue.stream === null ? [] : queue.unknownProducers().map((id) => ({ queue, id }))
    );
    if (claims.length === 0) return;
    const stored = await loadProducers(
      this.#parts.database,
      claims.map(({ queue, id }) => ({ streamId: queue.stream!.id, producerId: id })),
    );
    claims.forEach(({ queue, id }, at) => queue.setProducer(id, stored[at]!));
    const grown = new Set(claims.filter((_, at) => stored[at] === null).map(({ queue }) => queue));
    if (grown.size > 0) await this.#countProducers([...grown]);
  }

  /** Appends of producers that are known are never counted for. */
  async #countProducers(queues: readonly StreamQueue[]): Promise<void> {
    const { database, producerLimit: limit } = this.#parts;
    if (limit === null) return;
    const now = performance.now();
    const uncounted = queues.filter((queue) => queue.needsProducerCount(now, limit.countedMs));
    if (uncounted.length === 0) return;
    const ids = uncounted.map((queue) => queue.stream!.id);
    const counts = await countProducers(database, ids, limit.perStream);
    uncounted.forEach((queue, at) => queue.setProducerRoom(limit.perStream - counts[at]!, now));
  }
}
