/**
 * Ends streams whose time has come and takes dead streams' bytes away, a little at a time. Any
 * number of nodes may sweep: an advisory lock lets one of them at a time.
 */
import { asc, eq, inArray, sql } from "drizzle-orm";
import type { Database, Drizzle } from "../../storage/database.ts";
import { producers, segments, STATE_DEAD, streams } from "../../storage/schema.ts";

/** `lock_key(0)` is the migrations'; -1 masks to the largest id, which no stream will have. */
const SWEEP_LOCK = sql`penstock.lock_key(-1)`;
const EXPIRED_BATCH = 100;
const REAP_BATCH = 1000;
const DEAD_BATCH = 100;

/** What one step of the sweep did. `ended` are streams that just expired. */
export interface SweepReport {
  readonly ended: readonly number[];
  readonly reapedStreams: number;
  /** There is more to do at once. */
  readonly more: boolean;
}

const NOTHING: SweepReport = { ended: [], reapedStreams: 0, more: false };

/** One bounded step: at most a hundred streams ended and a thousand rows taken away. */
export async function sweep(database: Database): Promise<SweepReport> {
  const ended = await endExpired(database);
  const reaped = await reap(database);
  return {
    ended,
    reapedStreams: reaped.reapedStreams,
    more: ended.length >= EXPIRED_BATCH || reaped.more,
  };
}

async function endExpired(database: Database): Promise<number[]> {
  // Candidates by index; `retire` judges each again under its lock.
  const candidates = await database.query<{ id: number }>(
    `select id from penstock.stream_states
     where state = 0 and expired and (ttl_seconds is not null or expires_at_ms is not null)
     order by id limit ${EXPIRED_BATCH}`,
  );
  const ended: number[] = [];
  for (const { id } of candidates) {
    const [row] = await database.query<{ ended: string }>(
      "select array_to_string(ended, ',') as ended from penstock.retire($1, true)",
      [id],
    );
    if (row?.ended) ended.push(...row.ended.split(",").map(Number));
  }
  return ended;
}

async function reap(database: Database): Promise<SweepReport> {
  return await database.transaction(async (transaction) => {
    const locked = await transaction.select({
      got: sql<boolean>`pg_try_advisory_xact_lock(${SWEEP_LOCK})`,
    })
      .from(sql`(values (1)) as one`);
    if (!locked[0]?.got) return NOTHING;
    const dead = (await transaction.select({ id: streams.id }).from(streams)
      .where(eq(streams.state, STATE_DEAD)).orderBy(asc(streams.id)).limit(DEAD_BATCH))
      .map((row) => row.id);
    if (dead.length === 0) return NOTHING;
    // Bytes first: a crash in between leaves a tombstone that the next sweep finishes.
    if (await deleteSome(transaction, segments, dead) > 0) return { ...NOTHING, more: true };
    if (await deleteSome(transaction, producers, dead) > 0) return { ...NOTHING, more: true };
    await transaction.delete(streams).where(inArray(streams.id, dead));
    return { ended: [], reapedStreams: dead.length, more: true };
  });
}

/** Deletes up to a batch of rows that belong to these streams. Returns how many went. */
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
