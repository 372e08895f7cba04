/** Pages of the subscriptions, an extension: docs/extensions.md. */
import type { Database } from "../storage/database.ts";
import type { WakePhase } from "../storage/schema.ts";

export interface SubscriptionsPage {
  readonly subscriptions: readonly ListedSubscription[];
  /** The id to go on after; null: this page is the last. */
  readonly next_after: string | null;
}

export interface ListedSubscription {
  readonly id: string;
  readonly type: string;
  readonly pattern: string | null;
  /** Counted up to 10,000. */
  readonly streams: number;
  readonly state: WakePhase;
  /** Failed deliveries since the last that succeeded. */
  readonly failures: number;
  readonly next_attempt_at: string | null;
  readonly lease_expires_at: string | null;
}

export interface PageRequest {
  /** The page begins behind this id; "" at the start. */
  readonly after: string;
  readonly limit: number;
}

interface Row {
  readonly name: string;
  readonly type: string;
  readonly pattern: string | null;
  readonly streams: number;
  readonly phase: WakePhase;
  readonly failures: number;
  readonly due_at_ms: number | null;
}

const LIST = "select * from penstock.list_subscriptions($1, $2)";

/**
 * @param shows whether the reader may see the subscription of this id: the others leave no trace
 * @throws DatabaseUnavailable
 */
export async function listSubscriptions(
  database: Database,
  { after, limit }: PageRequest,
  shows: (id: string) => boolean,
): Promise<SubscriptionsPage> {
  const shown: Row[] = [];
  let rows: Row[];
  let from = after;
  do {
    rows = await database.hedged<Row>(LIST, [from, limit + 1]);
    shown.push(...rows.filter(({ name }) => shows(name)));
    from = rows.at(-1)?.name ?? from;
  } while (rows.length > limit && shown.length <= limit);
  const page = shown.slice(0, limit);
  return {
    subscriptions: page.map(listed),
    next_after: shown.length > limit ? page.at(-1)!.name : null,
  };
}

function listed({ name, type, pattern, streams, phase, failures, due_at_ms }: Row) {
  const due = due_at_ms === null ? null : new Date(due_at_ms).toISOString();
  const leased = phase === "delivered" || phase === "claimed";
  return {
    id: name,
    type,
    pattern,
    streams,
    state: phase,
    failures,
    next_attempt_at: phase === "retrying" ? due : null,
    lease_expires_at: leased ? due : null,
  };
}
