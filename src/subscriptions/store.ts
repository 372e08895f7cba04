/** The statements of subscriptions. What needs a lock is a function in `storage/sql/functions/`. */
import { and, asc, eq, isNotNull, isNull, or, sql } from "drizzle-orm";
import { type Database, numberArray, textArray } from "../storage/database.ts";
import {
  newStreams,
  streamStates,
  subscriptionLinks,
  subscriptions,
  type WakePhase,
} from "../storage/schema.ts";
import type { Configuration } from "./configuration.ts";

/** One row of `penstock.subscriptions`, without what only SQL needs. */
export interface SubscriptionRow {
  readonly id: number;
  readonly name: string;
  readonly type: "webhook" | "pull-wake";
  readonly pattern: string | null;
  readonly webhook_url: string | null;
  readonly wake_stream: string | null;
  readonly lease_ttl_ms: number;
  readonly description: string | null;
  /** ISO 8601. */
  readonly created: string;
  readonly generation: number;
  readonly wake_id: string | null;
  readonly failures: number;
}

export interface LinkRow {
  readonly path: string;
  readonly explicit: boolean;
  readonly acked: number;
  /** Of the offset at `acked`. */
  readonly acked_generation: number;
}

/** A link as a wake shows it. There is work where `tail` is beyond `acked`. */
export interface WakeStreamRow extends LinkRow {
  readonly tail: number;
  /** Of the offset at `tail`. */
  readonly tail_generation: number;
  /** Where the cursor was, if what came next has been dropped since; else null. */
  readonly dropped: number | null;
  readonly dropped_generation: number | null;
}

/** A wake that has to be delivered now. */
export interface IssuedWake {
  readonly id: number;
  readonly name: string;
  readonly generation: number;
}

/** What had come due, and the wake that follows from it. */
export interface DueRow {
  readonly id: number;
  readonly name: string;
  readonly was_phase: WakePhase;
  readonly was_generation: number;
  readonly was_holder: string | null;
  readonly next_generation: number | null;
}

/** Which wake a callback, ack or release is for. */
export interface WakeKey {
  readonly id: number;
  readonly generation: number;
  readonly wakeId: string;
}

export interface Ack {
  readonly path: string;
  readonly position: number;
  readonly generation: number;
}

export interface AckResult {
  readonly outcome: "ok" | "not_found" | "fenced" | "expired" | "invalid_offset";
  readonly detail: string | null;
  readonly next_generation: number | null;
  /** Ids of the streams whose cursors were set, with commas between. */
  readonly streams: string | null;
}

export interface ClaimResult {
  readonly outcome:
    | "claimed"
    | "not_found"
    | "not_pull_wake"
    | "already_claimed"
    | "no_pending_work";
  readonly id: number;
  readonly generation: number;
  readonly wake_id: string;
  readonly holder: string;
  readonly lease_ttl_ms: number;
}

const CREATED = `to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** The columns of a `SubscriptionRow`. */
const COLUMNS = {
  id: subscriptions.id,
  name: subscriptions.name,
  type: subscriptions.type,
  pattern: subscriptions.pattern,
  webhook_url: subscriptions.webhookUrl,
  wake_stream: subscriptions.wakeStream,
  lease_ttl_ms: subscriptions.leaseTtlMs,
  description: subscriptions.description,
  created: sql<string>`${sql.raw(CREATED)}`,
  generation: subscriptions.generation,
  wake_id: subscriptions.wakeId,
  failures: subscriptions.failures,
};

const BEGIN_DELIVERY = `select id, name, type, pattern, webhook_url, wake_stream, lease_ttl_ms,
  description, ${CREATED} as created, generation, wake_id, failures
  from penstock.begin_delivery($1, $2)`;

/** Links of one statement of a back-fill: these take much less than the time a statement has. */
const BACKFILL = 20_000;

export class SubscriptionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Creates, with every link there is to make; or finds what has the name already. */
  async create(
    name: string,
    configuration: Configuration,
    hash: string,
  ): Promise<{ created: boolean; id: number; hash: string }> {
    const { glob, delivery, leaseTtlMs, description, streams } = configuration;
    const url = delivery.type === "webhook" ? delivery.url : null;
    const wake = delivery.type === "webhook" ? null : delivery.wakeStream;
    return await this.#database.transaction(async (transaction) => {
      const [row] = await transaction.execute<
        { created: boolean; id: number; config_hash: string }
      >(sql`select * from penstock.create_subscription(${name}, ${delivery.type},
          ${glob?.pattern ?? null}, ${glob?.regex ?? null}, ${glob?.prefix ?? null},
          ${glob?.suffix ?? null}, ${url}, ${wake}, ${leaseTtlMs}, ${description}, ${hash},
          ${textArray(streams)}::text[])`);
      const { id } = row!;
      if (row!.created && glob !== null) {
        for (let after: string | null = ""; after !== null;) {
          const [next]: { last: string | null }[] = await transaction.execute<
            { last: string | null }
          >(sql`select penstock.backfill_links(${id}, ${after}, ${BACKFILL}) as last`);
          after = next?.last ?? null;
        }
      }
      return { created: row!.created, id, hash: row!.config_hash };
    });
  }

  async find(name: string): Promise<SubscriptionRow | null> {
    const [row] = await this.#database.typedQuery((drizzle) =>
      drizzle.select(COLUMNS).from(subscriptions)
        .where(and(eq(subscriptions.name, name), isNull(subscriptions.deletedAt)))
    );
    return row ?? null;
  }

  /** In the order of their paths. A stream that is gone shows only where it is explicit. */
  links(id: number): Promise<LinkRow[]> {
    const { path, explicit, acked, streamId, subscriptionId } = subscriptionLinks;
    // What was dropped is behind the cursor, as it were.
    const cursor = sql<number>`greatest(${acked}, ${streamStates.earliest})`;
    const generation = sql<number>`penstock.generation_at(${streamId}, ${cursor})`;
    return this.#database.typedQuery((drizzle) =>
      drizzle.select({ path, explicit, acked: cursor, acked_generation: generation }).from(
        subscriptionLinks,
      )
        .leftJoin(
          streamStates,
          and(
            eq(streamStates.id, streamId),
            eq(streamStates.state, "active"),
            eq(streamStates.expired, false),
          ),
        )
        .where(and(eq(subscriptionId, id), or(explicit, isNotNull(streamStates.id))))
        .orderBy(asc(path))
    );
  }

  async remove(name: string): Promise<boolean> {
    const [row] = await this.#database.query<{ id: number | null }>(
      "select penstock.delete_subscription($1) as id",
      [name],
    );
    return row?.id != null;
  }

  /** The subscription's id, or null when there is none. */
  async addStreams(name: string, paths: readonly string[]): Promise<number | null> {
    const [row] = await this.#database.query<{ id: number | null }>(
      "select penstock.add_streams($1, $2::text[]) as id",
      [name, textArray(paths)],
    );
    return row?.id ?? null;
  }

  async removeStream(name: string, path: string): Promise<number | null> {
    const [row] = await this.#database.query<{ id: number | null }>(
      "select penstock.remove_stream($1, $2) as id",
      [name, path],
    );
    return row?.id ?? null;
  }

  /** Follows a commit of these streams. */
  issueWakes(streamIds: readonly number[]): Promise<IssuedWake[]> {
    return this.#database.query<IssuedWake>(
      "select * from penstock.issue_wakes($1::bigint[])",
      [numberArray(streamIds)],
    );
  }

  /** Streams that were not matched with the patterns yet; the oldest thousand. */
  async newStreams(): Promise<number[]> {
    const { streamId } = newStreams;
    const rows = await this.#database.typedQuery((drizzle) =>
      drizzle.select({ streamId }).from(newStreams).orderBy(asc(streamId)).limit(1000)
    );
    return rows.map((row) => row.streamId);
  }

  /** Follows a change of one subscription's links. */
  refresh(id: number): Promise<IssuedWake[]> {
    return this.#database.query<IssuedWake>(
      "select * from penstock.refresh_subscription($1)",
      [id],
    );
  }

  /** The subscription whose wake is to be delivered, unless that wake is over. */
  async beginDelivery(id: number, generation: number): Promise<SubscriptionRow | null> {
    const [row] = await this.#database.query<SubscriptionRow>(BEGIN_DELIVERY, [id, generation]);
    return row ?? null;
  }

  wakeStreams(id: number): Promise<WakeStreamRow[]> {
    return this.#database.query<WakeStreamRow>("select * from penstock.wake_streams($1)", [id]);
  }

  async delivered(id: number, generation: number): Promise<void> {
    await this.#database.query("select penstock.confirm_delivery($1, $2)", [id, generation]);
  }

  /** When to try again, or null when the wake is over, or was called back about. */
  async deliveryFailed(
    id: number,
    generation: number,
  ): Promise<{ failures: number; retry_ms: number; failing_ms: number } | null> {
    const [row] = await this.#database.query<
      { failures: number; retry_ms: number; failing_ms: number }
    >("select * from penstock.fail_delivery($1, $2)", [id, generation]);
    return row ?? null;
  }

  /** @param trusted a wake's own snapshot: applied as far as it still holds, never refused */
  async ack(
    wake: WakeKey,
    acks: readonly Ack[],
    { done, trusted }: { readonly done: boolean; readonly trusted: boolean },
  ): Promise<AckResult> {
    const [row] = await this.#database.query<AckResult>(
      "select * from penstock.ack_wake($1, $2, $3, $4::text[], $5::bigint[], $6::bigint[], $7, $8)",
      [
        wake.id,
        wake.generation,
        wake.wakeId,
        textArray(acks.map((ack) => ack.path)),
        numberArray(acks.map((ack) => ack.position)),
        numberArray(acks.map((ack) => ack.generation)),
        done,
        trusted,
      ],
    );
    return row!;
  }

  async release(wake: WakeKey): Promise<Pick<AckResult, "outcome" | "next_generation">> {
    const [row] = await this.#database.query<Pick<AckResult, "outcome" | "next_generation">>(
      "select * from penstock.release_wake($1, $2, $3)",
      [wake.id, wake.generation, wake.wakeId],
    );
    return row!;
  }

  async claim(name: string, worker: string): Promise<ClaimResult> {
    const [row] = await this.#database.query<ClaimResult>(
      "select * from penstock.claim_wake($1, $2)",
      [name, worker],
    );
    return row!;
  }

  takeDue(most: number): Promise<DueRow[]> {
    return this.#database.query<DueRow>("select * from penstock.take_due($1)", [most]);
  }

  /** Reconciles one slice of all links; null when it is not yet time, or another node is at it. */
  async reconcile(
    slice: number,
    pauseMs: number,
    immediately: boolean,
  ): Promise<{ streamIds: number[]; wrapped: boolean } | null> {
    const [row] = await this.#database.query<{ streams: string; wrapped: boolean }>(
      "select * from penstock.reconcile_links($1, $2, $3)",
      [slice, pauseMs, immediately],
    );
    if (row === undefined) return null;
    return { streamIds: idsOf(row.streams), wrapped: row.wrapped };
  }

  async any(): Promise<boolean> {
    const { id, deletedAt } = subscriptions;
    const rows = await this.#database.typedQuery((drizzle) =>
      drizzle.select({ id }).from(subscriptions).where(isNull(deletedAt)).limit(1)
    );
    return rows.length > 0;
  }
}

/** `1,2,3`; arrays do not travel as such. */
export function idsOf(list: string | null): number[] {
  return list === null || list === "" ? [] : list.split(",").map(Number);
}
