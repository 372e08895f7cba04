/**
 * Notices that another server has become the primary where no connection of the node's is lost by
 * it: behind a pooler, and where a standby is promoted while its primary lives.
 */
import { PeriodicTask } from "../../lib/periodic_task.ts";
import { NoPrimary, type PrimaryFinder } from "./primary.ts";

/** How often the servers are asked. Milliseconds. */
const POOLER_INTERVAL_MS = 1000;
const HOSTS_INTERVAL_MS = 5000;

export interface PrimaryWatchParts {
  readonly finder: PrimaryFinder;
  /** Whether the URL leads to a pooler. */
  readonly pooled: boolean;
  /** How many hosts the URL names. */
  readonly hosts: number;
  /** Called when what the pooler leads to is no primary any more. */
  readonly onNoPrimary: () => void;
}

/** Asks now and then which server is the primary; the finder then says what has changed. */
export function watchPrimary(parts: PrimaryWatchParts): PeriodicTask {
  const { finder, pooled, hosts } = parts;
  return new PeriodicTask({
    pauseMs: pooled ? POOLER_INTERVAL_MS : hosts > 1 ? HOSTS_INTERVAL_MS : Infinity,
    run: async () => {
      finder.invalidate();
      await finder.find();
    },
    onError: (error) => {
      // A direct connection stays with its server, which does not become a standby while it lives.
      if (error instanceof NoPrimary && pooled) parts.onNoPrimary();
    },
  });
}
