/** Runs the sweep every few seconds, and without a long pause while there is more to remove. */
import { PeriodicTask } from "../../lib/periodic_task.ts";
import type { Telemetry } from "../../telemetry/events.ts";
import { type RetentionParts, Retentions } from "../retention/retention.ts";
import { Compaction } from "./compaction.ts";
import { sweep } from "./sweep.ts";

/** Milliseconds between sweeps. */
const IDLE_MS = 5000;
/** Milliseconds between steps while there is more, which leave the database to requests. */
const BUSY_MS = 20;
/** Deleting touches many pages: so many times as long as a step took is the pause after it. */
const DELETING_FACTOR = 3;

/** Milliseconds between sweeps while streams wait to be merged: one may just have been closed. */
const COMPACTING_MS = 2000;

export interface SweeperOptions {
  /** Called with the ids of streams that have expired. */
  readonly onEnded: (ids: readonly number[]) => void;
  /** Milliseconds; null: producers never expire. */
  readonly producerIdleExpiryMs: number | null;
}

export class Sweeper extends PeriodicTask {
  readonly #compaction: Compaction;

  constructor(
    parts: Omit<RetentionParts, "pauseMs">,
    telemetry: Telemetry,
    { onEnded, producerIdleExpiryMs }: SweeperOptions,
  ) {
    let lastId = 0;
    const { database } = parts;
    const retentions = new Retentions(parts);
    const compaction = new Compaction(database, { producerIdleExpiryMs });
    super({
      firstMs: IDLE_MS * Math.random(),
      // The pause is random, so that the nodes do not all sweep at the same time.
      pauseMs: () => IDLE_MS * (0.75 + Math.random() / 2),
      onError: (error) => telemetry.report({ event: "sweep_failed", error }),
      run: async () => {
        const { ended, failures, reapedStreams, more, ...at } = await sweep(database, lastId);
        ({ lastId } = at);
        // What fails one fails others alike: one line says so.
        if (failures.length > 0) telemetry.report({ event: "sweep_failed", error: failures[0] });
        if (ended.length > 0) onEnded(ended);
        if (ended.length > 0 || reapedStreams > 0) {
          telemetry.report({ event: "swept", expired: ended.length, reaped: reapedStreams });
        }
        const retained = await retentions.step();
        if (retained.trimmed > 0) {
          telemetry.report({ event: "trimmed", streams: retained.trimmed });
        }
        const compacts = await compaction.step();
        if (retained.more) return Math.max(BUSY_MS, DELETING_FACTOR * retained.deletingMs);
        if (more || compacts) return BUSY_MS;
        return compaction.pending ? COMPACTING_MS : undefined;
      },
    });
    this.#compaction = compaction;
  }

  /** Appends were committed: what they leave behind is compacted in a while. */
  noteWrites(): void {
    this.#compaction.noteWrites();
  }
}
