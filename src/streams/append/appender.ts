/**
 * POST: the way of an append through its parts. `Admission` lets it wait in the `StreamQueue` of
 * its stream; `QueueLoader` loads what the queue does not know; `CommitScheduler` takes it into a
 * group commit, decided by `decideBatch` or held by `Reordering`; `commitAppends` writes the group
 * in one statement; and `settle` answers it.
 */
import { Overloaded } from "../../errors.ts";
import { tracing } from "../../lib/telemetry/tracing.ts";
import { type Database, StatementTimeout } from "../../storage/database.ts";
import type { StateLoader } from "../state_loader.ts";
import { needsTurns, type StoredBody, storedBodyInTurns } from "../stored_body.ts";
import { Admission } from "./admission.ts";
import { type CommitGroup, CommitScheduler } from "./commit_scheduler.ts";
import { commitAppends } from "./committer.ts";
import type { AppendRequest } from "./decide.ts";
import { type ProducerLimit, QueueLoader } from "./queue_loader.ts";
import { Reordering } from "./reordering.ts";
import { measureCommit, traceOfCommit } from "./commit_measurements.ts";
import { failWrites, settle, type SettlementParts } from "./settlement.ts";
import type { StreamQueue } from "./stream_queue.ts";
import { StreamQueues } from "./stream_queues.ts";
import type { AppendOutcome } from "./waiting_append.ts";

export interface AppenderParts extends SettlementParts {
  readonly database: Database;
  readonly stateLoader: StateLoader;
  /** Null: a stream may have any number of producers. */
  readonly producerLimit: ProducerLimit | null;
  /** Body bytes that may wait before new appends are turned away. */
  readonly waitingBytes: number;
  /** Called with the ids of the streams that a commit has written. */
  readonly onWritten: (ids: readonly number[]) => void;
}

export class Appender {
  readonly #parts: AppenderParts;
  readonly #queues = new StreamQueues();
  readonly #admission: Admission;
  readonly #reordering: Reordering;
  readonly #loader: QueueLoader;
  readonly #scheduler: CommitScheduler;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
    this.#admission = new Admission({ maxBytes: parts.waitingBytes });
    this.#reordering = new Reordering({ onTimeout: (queue) => this.#enqueue(queue) });
    this.#loader = new QueueLoader({
      database: parts.database,
      stateLoader: parts.stateLoader,
      producerLimit: parts.producerLimit,
      onLoaded: (queues) => {
        for (const queue of queues) queue.release();
        for (const queue of queues) this.#enqueue(queue);
      },
    });
    this.#scheduler = new CommitScheduler({
      concurrency: parts.database.concurrency,
      commit: (group) =>
        tracing.active === null
          ? this.#commit(group)
          : tracing.active.share(traceOfCommit(group.writes), () => this.#commit(group)),
      onUnloaded: (queue) => this.#loader.enqueue(queue),
      onHeld: ({ queue, held }) => this.#reordering.hold(queue, held),
      onReleased: (queues) => {
        for (const queue of queues) this.#enqueue(queue);
      },
    });
  }

  /**
   * Resolves when the append, or the state that its refusal rests on, is committed.
   * @throws DatabaseUnavailable when that cannot be known, Overloaded when too much waits already
   */
  append(path: string, request: AppendRequest): Promise<AppendOutcome> {
    const size = request.body.length;
    const queue = this.#queues.get(path);
    if (!this.#admission.admit(size, queue.bytes)) {
      return Promise.reject(
        new Overloaded("too many appends wait for the database", "append_queue"),
      );
    }
    queue.bytes += size;
    const outcome = needsTurns(request.contentType ?? "", request.body)
      // Its queue may have been evicted in the meantime.
      ? storedBodyInTurns(request.body, false).then((stored) =>
        this.#wait(this.#queues.get(path), request, stored)
      )
      : this.#wait(queue, request);
    return outcome.finally(() => {
      this.#admission.release(size);
      queue.bytes -= size;
    });
  }

  /** @param stored the body as it will be stored, where it has been parsed already */
  #wait(queue: StreamQueue, request: AppendRequest, stored?: StoredBody): Promise<AppendOutcome> {
    return new Promise((resolve, reject) => {
      queue.waiting.push({
        request,
        admittedAt: performance.now(),
        commitsStartedBefore: this.#scheduler.commitsStarted,
        mayBeHeld: request.producer !== null,
        traced: tracing.active === null ? null : tracing.active.currentRequest(),
        ...stored === undefined ? {} : { stored },
        resolve,
        reject,
      });
      this.#reordering.release(queue);
      this.#enqueue(queue);
    });
  }

  /** The database may have lost what the queues know: all of it is loaded again when needed. */
  invalidateStates(): void {
    for (const queue of this.#queues.values()) queue.invalidate();
  }

  /** Puts a queue in which appends wait where it will be picked up. */
  #enqueue(queue: StreamQueue): void {
    if (queue.state !== "idle" || queue.waiting.length === 0) return;
    if (queue.loaded) this.#scheduler.enqueue(queue);
    else this.#loader.enqueue(queue);
  }

  async #commit({ startedBefore, queues, writes }: CommitGroup): Promise<void> {
    const { database, onWritten } = this.#parts;
    const began = performance.now();
    try {
      const result = await commitAppends(database, writes);
      const changed = settle(this.#parts, writes, result);
      measureCommit(writes, { began, decidedAgain: result.refused });
      if (changed.length > 0) onWritten(changed);
    } catch (error) {
      failWrites(writes, error);
      if (error instanceof StatementTimeout) this.#failLate(queues, startedBefore, error);
    }
  }

  /**
   * A commit timed out. Appends that waited for its end, or for the start of their own since before
   * it started, have waited as long, and must not wait for a second time limit.
   */
  #failLate(behind: readonly StreamQueue[], startedBefore: number, error: StatementTimeout): void {
    for (const queue of behind) for (const append of queue.waiting.splice(0)) append.reject(error);
    for (const queue of this.#queues.values()) {
      if (queue.state !== "ready" && queue.state !== "awaiting_load") continue;
      const late = queue.waiting.filter((append) => append.commitsStartedBefore <= startedBefore);
      if (late.length === 0) continue;
      queue.waiting = queue.waiting.filter((append) => append.commitsStartedBefore > startedBefore);
      for (const append of late) append.reject(error);
    }
  }
}
