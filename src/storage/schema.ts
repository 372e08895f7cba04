/**
 * The tables, as drizzle's query builder knows them. The database is made by `sql/steps/`, and a test
 * compares its catalog with this file.
 *
 * Everything lives in the Postgres schema `penstock`, so that a database can be shared.
 */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  index,
  jsonb,
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

/** `streams.state`. */
export const streamState = penstock.enum("stream_state", [
  "active",
  /** Deleted or expired while forks still read it: 410 to clients, its bytes stay. */
  "soft_deleted",
  /** A tombstone: no client sees it, and the sweep removes its bytes in batches. */
  "deleted",
]);
export type StreamLifecycle = typeof streamState.enumValues[number];

/** One row per stream: what appending does not change. */
export const streams = penstock.table("streams", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  path: bytewise("path").notNull(),
  contentType: text("content_type").notNull(),
  state: streamState("state").notNull().default("active"),
  ttlSeconds: bigint("ttl_seconds", { mode: "number" }),
  expiresAt: timestamp("expires_at", { withTimezone: true, mode: "string" }),
  /** Last read or write, as coarse as a tenth of the TTL. */
  lastAccess: timestamp("last_access", { withTimezone: true, mode: "string" }).notNull()
    .default(sql`clock_timestamp()`),
  /** A fork's source: bytes before `fork_position` are read from there. */
  sourceId: bigint("source_id", { mode: "number" }),
  sourcePath: text("source_path"),
  forkPosition: position("fork_position"),
  /** What the fork was asked for, so that the same PUT again is recognised. */
  forkAnchor: position("fork_anchor"),
  forkSubOffset: bigint("fork_sub_offset", { mode: "number" }),
  /** True when TTL or expiry came from the source and not from the request. */
  expiryInherited: boolean("expiry_inherited").notNull().default(false),
  /** How many forks that are not deleted read from this stream. */
  forkCount: bigint("fork_count", { mode: "number" }).notNull().default(0),
  /** What lies before it was dropped: a boundary of messages. Appends leave it as it is. */
  earliest: position("earliest").notNull().default(0),
  /** Stream-Retention, as PUT had it. */
  retentionAgeSeconds: bigint("retention_age_seconds", { mode: "number" }),
  retentionBytes: bigint("retention_bytes", { mode: "number" }),
  /** Null: before this was recorded. */
  createdAt: timestamp("created_at", { withTimezone: true, mode: "string" })
    .default(sql`clock_timestamp()`),
  /** Null: none. */
  labels: jsonb("labels").$type<Readonly<Record<string, string>>>(),
}, (table) => [
  uniqueIndex("streams_path").on(table.path).where(sql`state <> 'deleted'`),
  index("streams_deleted").on(table.id).where(sql`state = 'deleted'`),
  index("streams_expires_at").on(table.expiresAt)
    .where(sql`expires_at is not null and state = 'active'`),
  /** Not on last_access itself: an index on it would end the HOT updates of renewals. */
  index("streams_ttl").on(table.id).where(sql`ttl_seconds is not null and state = 'active'`),
  index("streams_retention").on(table.id).where(
    sql`coalesce(retention_age_seconds, retention_bytes) is not null and state = 'active'`,
  ),
  index("streams_source").on(table.sourceId)
    .where(sql`source_id is not null and state <> 'deleted'`),
  index("streams_labels").using("gin", table.labels.op("jsonb_path_ops"))
    .where(sql`labels is not null`),
]);

/**
 * A stored run of bytes, `[position, position + length(data))`, and the stream's state after it. The
 * newest, the one with the last position, is the stream's state now.
 */
export const segments = penstock.table("segments", {
  streamId: bigint("stream_id", { mode: "number" }).notNull(),
  position: position("position").notNull(),
  /** The stream is closed behind it; a close that comes alone has no bytes. */
  closed: boolean("closed").notNull().default(false),
  /** The last Stream-Seq accepted, compared byte-wise. Scope: the stream. */
  lastSeq: text("last_seq"),
  data: bytea("data").notNull(),
  /** When it was appended; of one that was merged, when the last of its parts was. */
  appendedAt: timestamp("appended_at", { withTimezone: true, mode: "string" }).notNull()
    .default(sql`clock_timestamp()`),
}, (table) => [primaryKey({ columns: [table.streamId, table.position] })]);

/** Streams of which bytes may have to be deleted, because they were dropped. */
export const trims = penstock.table("trims", {
  streamId: bigint("stream_id", { mode: "number" }).primaryKey(),
  /** Everything before this position has been deleted. */
  deletedTo: position("deleted_to").notNull().default(0),
});

/**
 * Idempotent producers (section 5.2.1). The newest row of one is its state, kept as long as its stream
 * unless idle producers expire; older ones are swept.
 */
export const producers = penstock.table("producers", {
  streamId: bigint("stream_id", { mode: "number" }).notNull(),
  producerId: bytewise("producer_id").notNull(),
  epoch: bigint("epoch", { mode: "number" }).notNull(),
  lastSeq: bigint("last_seq", { mode: "number" }).notNull(),
  /** True when the append of `(epoch, last_seq)` is the one that closed the stream. */
  closedStream: boolean("closed_stream").notNull().default(false),
  /** When this state was inserted; null: before this was recorded. */
  appendedAt: timestamp("appended_at", { withTimezone: true, mode: "string" })
    .default(sql`clock_timestamp()`),
}, (table) => [
  primaryKey({ columns: [table.streamId, table.producerId, table.epoch, table.lastSeq] }),
]);

/** `subscriptions.phase`: where its one wake is (section 7). */
export const wakePhase = penstock.enum("wake_phase", [
  "idle",
  /** Issued: a node is sending the webhook, or writing the wake event. */
  "delivering",
  /** The receiver has it, or the wake event lies in the wake stream unclaimed. */
  "delivered",
  /** A pull-wake worker holds the lease. */
  "claimed",
  /** The delivery failed; it is tried again at `due_at`. */
  "retrying",
]);
export type WakePhase = typeof wakePhase.enumValues[number];

/** One row per subscription (sections 6 and 7). Its row lock guards the row and its links. */
export const subscriptions = penstock.table("subscriptions", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  /** The client's id. */
  name: bytewise("name").notNull(),
  type: text("type").$type<"webhook" | "pull-wake">().notNull(),
  pattern: bytewise("pattern"),
  /** The pattern as a regular expression, and the literal text it begins and ends with. */
  patternRegex: text("pattern_regex"),
  patternPrefix: bytewise("pattern_prefix"),
  patternSuffix: bytewise("pattern_suffix"),
  webhookUrl: text("webhook_url"),
  wakeStream: bytewise("wake_stream"),
  leaseTtlMs: bigint("lease_ttl_ms", { mode: "number" }).notNull(),
  description: text("description"),
  /** SHA-256 of the normalised configuration. */
  configHash: text("config_hash").notNull(),
  createdAt: timestamp("created_at", { withTimezone: true, mode: "string" }).notNull()
    .default(sql`clock_timestamp()`),
  /** A tombstone, when set. */
  deletedAt: timestamp("deleted_at", { withTimezone: true, mode: "string" }),
  /** The fencing counter: grows with every wake, never falls. */
  generation: bigint("generation", { mode: "number" }).notNull().default(0),
  phase: wakePhase("phase").notNull().default("idle"),
  wakeId: text("wake_id"),
  /** The worker that claimed. */
  holder: text("holder"),
  /** When the lease ends, or the delivery is tried again. By the database's clock. */
  dueAt: timestamp("due_at", { withTimezone: true, mode: "string" }),
  /** Failed deliveries since the last that succeeded. */
  failures: bigint("failures", { mode: "number" }).notNull().default(0),
  failingSince: timestamp("failing_since", { withTimezone: true, mode: "string" }),
}, (table) => [
  uniqueIndex("subscriptions_name").on(table.name).where(sql`deleted_at is null`),
  index("subscriptions_due").on(table.dueAt).where(sql`due_at is not null`),
  /** What a new stream's path is looked up by. */
  index("subscriptions_pattern").on(table.patternPrefix, table.patternSuffix)
    .where(sql`deleted_at is null and pattern is not null`),
  index("subscriptions_deleted").on(table.deletedAt).where(sql`deleted_at is not null`),
]);

/** One row per (subscription, stream): the cursor. */
export const subscriptionLinks = penstock.table("subscription_links", {
  subscriptionId: bigint("subscription_id", { mode: "number" }).notNull(),
  path: bytewise("path").notNull(),
  /** Added by `streams`. */
  explicit: boolean("explicit").notNull(),
  /** Matched by `pattern`. */
  glob: boolean("glob").notNull(),
  /** Null while there is no stream at an explicit path. */
  streamId: bigint("stream_id", { mode: "number" }),
  /** Everything before this position is processed. */
  acked: position("acked").notNull(),
  /** The stream's tail was seen beyond `acked`. */
  pending: boolean("pending").notNull().default(false),
  /** The generation in which the path passed to another stream: its acks mean the old one. */
  reattached: bigint("reattached", { mode: "number" }).notNull().default(0),
}, (table) => [
  primaryKey({ columns: [table.subscriptionId, table.path] }),
  index("subscription_links_stream").on(table.streamId, table.subscriptionId),
  index("subscription_links_path").on(table.path),
  index("subscription_links_pending").on(table.subscriptionId, table.path).where(sql`pending`),
]);

/** Streams that were not matched with the patterns yet. Written by a trigger on `streams`. */
export const newStreams = penstock.table("new_streams", {
  streamId: bigint("stream_id", { mode: "number" }).primaryKey(),
});

/** One row: how far the reconciliation of the links has come, and when it goes on. */
export const reconciliation = penstock.table("reconciliation", {
  id: smallint("id").primaryKey(),
  streamId: bigint("stream_id", { mode: "number" }).notNull().default(0),
  subscriptionId: bigint("subscription_id", { mode: "number" }).notNull().default(0),
  nextAt: timestamp("next_at", { withTimezone: true, mode: "string" }).notNull()
    .default(sql`clock_timestamp()`),
});

/** The keys that sign webhooks (Ed25519) and tokens (HMAC), and that encrypt places in listings (AES). */
export const keys = penstock.table("keys", {
  /** The JWK's thumbprint. */
  kid: text("kid").primaryKey(),
  purpose: text("purpose").$type<"webhook" | "token" | "listing">().notNull(),
  /** The private JWK: a secret. */
  jwk: text("jwk").notNull(),
  createdAt: timestamp("created_at", { withTimezone: true, mode: "string" }).notNull()
    .default(sql`clock_timestamp()`),
  /** Signs nothing any more; still published and verified with for a while. */
  retiredAt: timestamp("retired_at", { withTimezone: true, mode: "string" }),
});

/** Access tokens. A revoked one is deleted, and its children with it. */
export const accessTokens = penstock.table("access_tokens", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  name: bytewise("name").notNull(),
  /** SHA-256 of the token, in hexadecimal digits. */
  hash: bytewise("hash").notNull(),
  /** A JSON array of rules. */
  rules: text("rules").notNull(),
  /** The token that made this one; null for one made by a JWT, the first token or the command line. */
  parentId: bigint("parent_id", { mode: "number" }),
  createdAt: timestamp("created_at", { withTimezone: true, mode: "string" }).notNull()
    .default(sql`clock_timestamp()`),
  expiresAt: timestamp("expires_at", { withTimezone: true, mode: "string" }),
  /** What the names of its holder are in; "" is the whole database. */
  namespace: bytewise("namespace").notNull().default(sql`''::text`),
}, (table) => [
  uniqueIndex("access_tokens_name").on(table.name),
  uniqueIndex("access_tokens_hash").on(table.hash),
  index("access_tokens_parent").on(table.parentId),
]);

/** The keys that sign URLs. A revoked one is deleted. */
export const urlKeys = penstock.table("url_keys", {
  id: bytewise("id").primaryKey(),
  /** The streams of its URLs are in it. */
  namespace: bytewise("namespace").notNull(),
  /** The token that made it, and that it goes with; null: made by a JWT or the first token. */
  tokenId: bigint("token_id", { mode: "number" }),
  /** For HMAC with SHA-256, in base64url: a secret. */
  secret: text("secret").notNull(),
  createdAt: timestamp("created_at", { withTimezone: true, mode: "string" }).notNull()
    .default(sql`clock_timestamp()`),
}, (table) => [
  index("url_keys_namespace").on(table.namespace, table.tokenId),
  index("url_keys_token").on(table.tokenId),
]);

/** One row: how often the access tokens have changed. */
export const accessRevision = penstock.table("access_revision", {
  id: smallint("id").primaryKey(),
  revision: bigint("revision", { mode: "number" }).notNull().default(0),
});

/** One row while a load of a dump has not ended: where it goes on. */
export const loads = penstock.table("loads", {
  id: smallint("id").primaryKey(),
  /** The last entry of the dump that was loaded, and its checksum. */
  entry: bigint("entry", { mode: "number" }).notNull(),
  checksum: text("checksum").notNull(),
  /** The last stream that was loaded: what lies behind it, up to the dump's last id, is half loaded. */
  streamId: bigint("stream_id", { mode: "number" }).notNull(),
  startedAt: timestamp("started_at", { withTimezone: true, mode: "string" }).notNull()
    .default(sql`clock_timestamp()`),
});

/** The view `stream_states`: a stream as decisions see it. */
export const streamStates = penstock.view("stream_states", {
  id: bigint("id", { mode: "number" }).notNull(),
  path: bytewise("path").notNull(),
  state: streamState("state").notNull(),
  ttlSeconds: bigint("ttl_seconds", { mode: "number" }),
  /** Milliseconds since 1970. */
  expiresAtMs: bigint("expires_at_ms", { mode: "number" }),
  expired: boolean("expired").notNull(),
  earliest: position("earliest").notNull(),
}).existing();
