/** When to sweep: every few seconds, at once while there is more, and never two at a time. */
import { PeriodicTask } from "../../lib/periodic_task.ts";
import type { Database } from "../../storage/database.ts";
import type { Telemetry } from "../../telemetry/events.ts";
import { Compaction } from "./compaction.ts";
import { sweep } from "./sweep.ts";

/** Milliseconds between sweeps. */
const IDLE_MS = 5000;
/** A pause between steps leaves the database to requests that wait for an answer. */
const BUSY_MS = 20;

/** Milliseconds between sweeps while streams wait to be merged: one may just have been closed. */
const COMPACTING_MS = 2000;

export class Sweeper extends PeriodicTask {
  readonly #compaction: Compaction;

  /** @param onEnded told the ids of streams that expired */
  constructor(
    database: Database,
    telemetry: Telemetry,
    onEnded: (ids: readonly number[]) => void,
  ) {
    const compaction = new Compaction(database);
    super({
      firstMs: IDLE_MS * Math.random(),
      // Spread, so that nodes do not sweep in step.
      pauseMs: () => IDLE_MS * (0.75 + Math.random() / 2),
      onError: (error) => telemetry.report({ event: "sweep_failed", error }),
      run: async () => {
        const { ended, reapedStreams, more } = await sweep(database);
        if (ended.length > 0) onEnded(ended);
        if (ended.length > 0 || reapedStreams > 0) {
          telemetry.report({ event: "swept", expired: ended.length, reaped: reapedStreams });
        }
        const compacts = await compaction.step();
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
