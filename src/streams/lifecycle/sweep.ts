/**
 * Terminates streams that have expired and removes deleted streams' bytes, a little at a time. Any
 * number of nodes may sweep: an advisory lock lets one of them remove at a time.
 */
import { and, asc, eq, gt, inArray, isNotNull, or, sql } from "drizzle-orm";
import type { Database, Drizzle } from "../../storage/database.ts";
import { terminate } from "./delete.ts";
import { producers, segments, streams, streamStates } from "../../storage/schema.ts";

/** `lock_key(0)` is the migrations'; -1 masks to the largest id, which no stream will have. */
const SWEEP_LOCK = sql`penstock.lock_key(-1)`;
const EXPIRED_BATCH = 100;
const REAP_BATCH = 1000;
const DELETED_BATCH = 100;

/** What one step of the sweep did. `ended` are the expired streams that it terminated. */
export interface SweepReport {
  readonly ended: readonly number[];
  /** Why expired streams could not be terminated. */
  readonly failures: readonly unknown[];
  readonly reapedStreams: number;
  /** Whether there is more to do at once. */
  readonly more: boolean;
  /** The id to continue after: one stream that cannot be terminated must not block all others. */
  readonly lastId: number;
}

/**
 * One bounded step: at most a hundred streams terminated and a thousand rows removed.
 * @param afterId where the last step ended, or 0
 */
export async function sweep(database: Database, afterId = 0): Promise<SweepReport> {
  const expired = await terminateExpired(database, afterId);
  const reaped = await reap(database);
  return {
    ...expired,
    reapedStreams: reaped.reapedStreams,
    more: expired.lastId !== 0 || reaped.more,
  };
}

async function terminateExpired(
  database: Database,
  afterId: number,
): Promise<Pick<SweepReport, "ended" | "failures" | "lastId">> {
  // `terminate_stream` checks each of them again, under the lock of its row.
  const { id, state, expired, ttlSeconds, expiresAtMs } = streamStates;
  const candidates = await database.typedQuery((drizzle) =>
    drizzle.select({ id }).from(streamStates)
      .where(and(
        // This is part of the statement's text, and not a parameter, so that PostgreSQL uses the
        // partial index with this condition.
        sql`${state} = 'active'`,
        expired,
        or(isNotNull(ttlSeconds), isNotNull(expiresAtMs)),
        gt(id, afterId),
      ))
      .orderBy(asc(id)).limit(EXPIRED_BATCH)
  );
  const ended: number[] = [];
  const failures: unknown[] = [];
  for (const { id } of candidates) {
    try {
      ended.push(...(await terminate(database, id, true)).terminated);
    } catch (error) {
      failures.push(error);
    }
  }
  const lastId = candidates.length < EXPIRED_BATCH ? 0 : candidates.at(-1)!.id;
  return { ended, failures, lastId };
}

type Reaped = Pick<SweepReport, "reapedStreams" | "more">;

const NOTHING: Reaped = { reapedStreams: 0, more: false };

async function reap(database: Database): Promise<Reaped> {
  return await database.transaction(async (transaction) => {
    const locked = await transaction.select({
      got: sql<boolean>`pg_try_advisory_xact_lock(${SWEEP_LOCK})`,
    })
      .from(sql`(values (1)) as one`);
    if (!locked[0]?.got) return NOTHING;
    const deleted = (await transaction.select({ id: streams.id }).from(streams)
      .where(eq(streams.state, "deleted")).orderBy(asc(streams.id)).limit(DELETED_BATCH))
      .map((row) => row.id);
    if (deleted.length === 0) return NOTHING;
    // The bytes go before the stream's row: the row stays as the tombstone by which the next sweep
    // finds what is left.
    if (await deleteSome(transaction, segments, deleted) > 0) return { ...NOTHING, more: true };
    if (await deleteSome(transaction, producers, deleted) > 0) return { ...NOTHING, more: true };
    await transaction.delete(streams).where(inArray(streams.id, deleted));
    return { reapedStreams: deleted.length, more: true };
  });
}

/** Deletes up to one batch of rows that belong to these streams. Returns how many it deleted. */
async function deleteSome(
  transaction: Drizzle,
  table: typeof segments | typeof producers,
  ids: readonly number[],
): Promise<number> {
  const some = transaction.select({ ctid: sql`ctid` }).from(table)
    .where(inArray(table.streamId, [...ids])).limit(REAP_BATCH);
  const gone = await transaction.delete(table).where(sql`ctid in ${some}`)
    .returning({ id: table.streamId });
  return gone.length;
}
