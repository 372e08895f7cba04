/**
 * The tables, in drizzle's words. `deno task migrations` turns a change of this file into a numbered
 * SQL file; what drizzle cannot say (functions, storage parameters) is in SQL files beside them.
 *
 * Everything lives in the Postgres schema `penstock`, so that a database can be shared.
 */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  index,
  pgSchema,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
} from "drizzle-orm/pg-core";

export const penstock = pgSchema("penstock");

const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({
  dataType: () => "bytea",
});

/** Byte-wise text: paths and ids compare as they are written, whatever the database's locale. */
const bytewise = customType<{ data: string; driverData: string }>({
  dataType: () => 'text collate "C"',
});

const position = (name: string) => bigint(name, { mode: "number" });

/** `streams.state`. A number, for the partial index and the narrow row. */
export const STATE_LIVE = 0;
/** Deleted or expired while forks still read it: 410 to clients, its bytes stay. */
export const STATE_SOFT_DELETED = 1;
/** A tombstone: nobody sees it, and the sweep takes its bytes away in batches. */
export const STATE_DEAD = 2;

/** One row a stream: narrow, and rewritten in place (HOT) by every append. */
export const streams = penstock.table("streams", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  path: bytewise("path").notNull(),
  contentType: text("content_type").notNull(),
  state: smallint("state").notNull().default(STATE_LIVE),
  closed: boolean("closed").notNull().default(false),
  /** The next position to be written. Never falls. */
  tail: position("tail").notNull(),
  /** Grows with every change of the row that a decision could rest on. */
  version: bigint("version", { mode: "number" }).notNull().default(1),
  ttlSeconds: bigint("ttl_seconds", { mode: "number" }),
  expiresAt: timestamp("expires_at", { withTimezone: true, mode: "string" }),
  /** Last read or write, as coarse as a tenth of the TTL. */
  lastAccess: timestamp("last_access", { withTimezone: true, mode: "string" }).notNull()
    .default(sql`clock_timestamp()`),
  /** The last Stream-Seq accepted, compared byte-wise. Scope: the stream. */
  lastSeq: text("last_seq"),
  /** A fork's source: bytes before `fork_position` are read from there. */
  sourceId: bigint("source_id", { mode: "number" }),
  sourcePath: text("source_path"),
  forkPosition: position("fork_position"),
  /** What the fork was asked for, so that the same PUT again is recognised. */
  forkAnchor: position("fork_anchor"),
  forkSubOffset: bigint("fork_sub_offset", { mode: "number" }),
  /** True when TTL or expiry came from the source and not from the request. */
  expiryInherited: boolean("expiry_inherited").notNull().default(false),
  /** How many living forks read from this stream. */
  forkCount: bigint("fork_count", { mode: "number" }).notNull().default(0),
}, (table) => [
  uniqueIndex("streams_living_path").on(table.path).where(sql`state < 2`),
  index("streams_dead").on(table.id).where(sql`state = 2`),
  index("streams_expires_at").on(table.expiresAt).where(sql`expires_at is not null and state = 0`),
  /** Not on last_access itself: an index on it would end HOT updates of every append. */
  index("streams_ttl").on(table.id).where(sql`ttl_seconds is not null and state = 0`),
]);

/** A stored run of bytes: `[position, position + length(data))`. Never rewritten. */
export const segments = penstock.table("segments", {
  streamId: bigint("stream_id", { mode: "number" }).notNull(),
  position: position("position").notNull(),
  data: bytea("data").notNull(),
}, (table) => [primaryKey({ columns: [table.streamId, table.position] })]);

/** Idempotent producers (section 5.2.1), kept as long as their stream. */
export const producers = penstock.table("producers", {
  streamId: bigint("stream_id", { mode: "number" }).notNull(),
  producerId: bytewise("producer_id").notNull(),
  epoch: bigint("epoch", { mode: "number" }).notNull(),
  lastSeq: bigint("last_seq", { mode: "number" }).notNull(),
  /** True when the append of `(epoch, last_seq)` is the one that closed the stream. */
  closedStream: boolean("closed_stream").notNull().default(false),
}, (table) => [primaryKey({ columns: [table.streamId, table.producerId] })]);
