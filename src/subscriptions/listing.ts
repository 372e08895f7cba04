/** Pages of the subscriptions, an extension: docs/extensions.md. */
import { boundsOf } from "../access/namespaces.ts";
import { type Database, textArray } from "../storage/database.ts";
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
  /** A namespace; "": all. */
  readonly within: string;
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

/** Names that one statement reads, by the index alone. */
const BATCH = 2000;
const NAMES = `select s.name from penstock.subscriptions s
  where s.deleted_at is null and s.name > $1 and s.name < $2 order by s.name limit ${BATCH}`;
const LIST = "select * from penstock.list_subscriptions($1::text[])";

/**
 * What is not the reader's leaves no trace: in a namespace nothing else is read, and of a
 * subscription nothing but its name unless it is shown.
 *
 * @param shows whether the reader may see the subscription of this id
 * @throws DatabaseUnavailable
 */
export async function listSubscriptions(
  database: Database,
  { after, limit, within }: PageRequest,
  shows: (id: string) => boolean,
): Promise<SubscriptionsPage> {
  // No name begins with the last of all characters.
  const [first, stop] = within === "" ? ["", "\u{10ffff}"] : boundsOf(within);
  const shown: string[] = [];
  let from = after === "" ? first : after;
  let names: readonly { readonly name: string }[];
  do {
    names = await database.hedged<{ name: string }>(NAMES, [from, stop]);
    shown.push(...names.map(({ name }) => name).filter(shows));
    from = names.at(-1)?.name ?? from;
  } while (names.length === BATCH && shown.length <= limit);
  const page = shown.slice(0, limit);
  const rows = page.length === 0 ? [] : await database.hedged<Row>(LIST, [textArray(page)]);
  return {
    subscriptions: rows.map(listed),
    next_after: shown.length > limit ? page.at(-1)! : null,
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
