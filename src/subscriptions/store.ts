/** The statements of subscriptions. What they do is in SQL, migration 0003. */
import { sql } from "drizzle-orm";
import { type Database, type Drizzle, numberArray, textArray } from "../storage/database.ts";
import type { Configuration } from "./configuration.ts";

/** One row of `penstock.subscriptions`, as far as anyone outside SQL looks. */
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
}

/** A link as a wake shows it. There is work where `tail` is beyond `acked`. */
export interface WakeStreamRow extends LinkRow {
  readonly tail: number;
}

/** A wake that somebody has to deliver now. */
export interface IssuedWake {
  readonly id: number;
  readonly name: string;
  readonly generation: number;
}

/** What had come due, and the wake that follows from it. */
export interface DueRow {
  readonly id: number;
  readonly name: string;
  readonly was_phase: number;
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
}

export interface AckResult {
  readonly outcome: "ok" | "not_found" | "fenced" | "expired" | "invalid_offset";
  readonly detail: string | null;
  readonly next_generation: number | null;
  /** Ids of the streams whose cursors moved, with commas between. */
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

const COLUMNS = `id, name, type, pattern, webhook_url, wake_stream, lease_ttl_ms, description,
  to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as created,
  generation, wake_id, failures`;

/** Links of one statement of a back-fill: well within the time a statement has. */
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
      const [row] = await rows<{ created: boolean; id: number | string; config_hash: string }>(
        transaction,
        sql`select * from penstock.create_subscription(${name}, ${delivery.type},
          ${glob?.pattern ?? null}, ${glob?.regex ?? null}, ${glob?.prefix ?? null},
          ${glob?.suffix ?? null}, ${url}, ${wake}, ${leaseTtlMs}, ${description}, ${hash},
          ${textArray(streams)}::text[])`,
      );
      const id = Number(row!.id);
      if (row!.created && glob !== null) {
        for (let after: string | null = ""; after !== null;) {
          const [next]: { last: string | null }[] = await rows<{ last: string | null }>(
            transaction,
            sql`select penstock.backfill_links(${id}, ${after}, ${BACKFILL}) as last`,
          );
          after = next?.last ?? null;
        }
      }
      return { created: row!.created, id, hash: row!.config_hash };
    });
  }

  async find(name: string): Promise<SubscriptionRow | null> {
    const [row] = await this.#database.query<SubscriptionRow>(
      `select ${COLUMNS} from penstock.subscriptions where name = $1 and deleted_at is null`,
      [name],
    );
    return row ?? null;
  }

  /** In the order of their paths. A stream that is gone shows only where it is explicit. */
  links(id: number): Promise<LinkRow[]> {
    return this.#database.query<LinkRow>(
      `select l.path, l.explicit, l.acked from penstock.subscription_links l
       left join penstock.stream_states s on s.id = l.stream_id and s.state = 0 and not s.expired
       where l.subscription_id = $1 and (l.explicit or s.id is not null) order by l.path`,
      [id],
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

  /** The look that follows a commit of these streams. */
  look(streamIds: readonly number[]): Promise<IssuedWake[]> {
    return this.#database.query<IssuedWake>(
      "select * from penstock.look_for_wakes($1::bigint[])",
      [numberArray(streamIds)],
    );
  }

  /** Streams that no look has matched with the patterns yet; the oldest thousand. */
  async newStreams(): Promise<number[]> {
    const rows = await this.#database.query<{ id: number }>(
      "select stream_id as id from penstock.new_streams order by stream_id limit 1000",
    );
    return rows.map((row) => row.id);
  }

  /** The look that follows a change of one subscription's links. */
  lookAt(id: number): Promise<IssuedWake[]> {
    return this.#database.query<IssuedWake>(
      "select * from penstock.look_at_subscription($1)",
      [id],
    );
  }

  /** The subscription whose wake is to be delivered, unless that wake is over. */
  async beginDelivery(id: number, generation: number): Promise<SubscriptionRow | null> {
    const [row] = await this.#database.query<SubscriptionRow>(
      `select ${COLUMNS} from penstock.begin_delivery($1, $2)`,
      [id, generation],
    );
    return row ?? null;
  }

  wakeStreams(id: number): Promise<WakeStreamRow[]> {
    return this.#database.query<WakeStreamRow>("select * from penstock.wake_streams($1)", [id]);
  }

  async delivered(id: number, generation: number): Promise<void> {
    await this.#database.query("select penstock.delivered($1, $2)", [id, generation]);
  }

  /** When to try again, or null when the wake is over, or was called back about. */
  async deliveryFailed(
    id: number,
    generation: number,
  ): Promise<{ failures: number; retry_ms: number; failing_ms: number } | null> {
    const [row] = await this.#database.query<
      { failures: number; retry_ms: number; failing_ms: number }
    >("select * from penstock.delivery_failed($1, $2)", [id, generation]);
    return row ?? null;
  }

  /** @param trusted a wake's own snapshot: applied as far as it still holds, never refused */
  async ack(
    wake: WakeKey,
    acks: readonly Ack[],
    { done, trusted }: { readonly done: boolean; readonly trusted: boolean },
  ): Promise<AckResult> {
    const [row] = await this.#database.query<AckResult>(
      "select * from penstock.ack_wake($1, $2, $3, $4::text[], $5::bigint[], $6, $7)",
      [
        wake.id,
        wake.generation,
        wake.wakeId,
        textArray(acks.map((ack) => ack.path)),
        numberArray(acks.map((ack) => ack.position)),
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

  /** One slice of the audit; null when it is not time, or another node is at it. */
  async audit(
    slice: number,
    pauseMs: number,
    now: boolean,
  ): Promise<{ streamIds: number[]; wrapped: boolean } | null> {
    const [row] = await this.#database.query<{ streams: string; wrapped: boolean }>(
      "select * from penstock.audit_links($1, $2, $3)",
      [slice, pauseMs, now],
    );
    if (row === undefined) return null;
    return { streamIds: idsOf(row.streams), wrapped: row.wrapped };
  }

  async any(): Promise<boolean> {
    const [row] = await this.#database.query<{ found: boolean }>(
      "select exists (select from penstock.subscriptions where deleted_at is null) as found",
    );
    return row?.found === true;
  }
}

/** `1,2,3`; arrays do not travel as such. */
export function idsOf(list: string | null): number[] {
  return list === null || list === "" ? [] : list.split(",").map(Number);
}

/** drizzle hands back the driver's own result: rows for postgres.js, `{ rows }` for PGlite. */
async function rows<Row>(database: Drizzle, statement: ReturnType<typeof sql>): Promise<Row[]> {
  const result: unknown = await database.execute(statement);
  return (Array.isArray(result) ? result : (result as { rows: unknown[] }).rows) as Row[];
}
