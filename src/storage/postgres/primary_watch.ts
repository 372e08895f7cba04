/**
 * Notices a new primary where the change closes no connection of this node: behind a pooler, and
 * where a standby is promoted while the old primary still runs.
 */
import { PeriodicTask } from "../../lib/periodic_task.ts";
import { NoPrimary, type PrimaryFinder } from "./primary.ts";

/** How often a pooler is queried. Milliseconds. */
const POOLER_INTERVAL_MS = 1000;
const HOSTS_INTERVAL_MS = 5000;

export interface PrimaryWatchParts {
  readonly finder: PrimaryFinder;
  /** Whether the URL leads to a pooler. */
  readonly pooled: boolean;
  /** How many hosts the URL names. */
  readonly hosts: number;
  /** Called when the server behind the pooler is not the primary any more. */
  readonly onNoPrimary: () => void;
}

/** Regularly searches for the primary; the finder reports a change to its own listener. */
export function watchPrimary(parts: PrimaryWatchParts): PeriodicTask {
  const { finder, pooled, hosts } = parts;
  return new PeriodicTask({
    pauseMs: pooled ? POOLER_INTERVAL_MS : hosts > 1 ? HOSTS_INTERVAL_MS : Infinity,
    run: async () => {
      finder.invalidate();
      await finder.find();
    },
    onError: (error) => {
      // A direct connection stays with its server, which cannot become a standby without a restart.
      if (error instanceof NoPrimary && pooled) parts.onNoPrimary();
    },
  });
}
