/** The state of a stream that decisions rest on: one row of the view `penstock.stream_states`. */
import { type Refusal, Refused } from "../errors.ts";
import type { Retention } from "../protocol/retention.ts";
import type { Labels } from "../protocol/labels.ts";
import type { StreamLifecycle } from "../storage/schema.ts";
import { type Ancestor, type Forked, offsetAt } from "./read/fork_chain.ts";

export interface StreamState {
  readonly id: number;
  readonly path: string;
  readonly contentType: string;
  readonly state: StreamLifecycle;
  readonly closed: boolean;
  /** The next position to be written. */
  readonly tail: number;
  readonly ttlSeconds: number | null;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number | null;
  readonly lastSeq: string | null;
  readonly sourceId: number | null;
  readonly sourcePath: string | null;
  readonly forkPosition: number | null;
  readonly forkAnchor: number | null;
  readonly forkSubOffset: number | null;
  readonly expiryInherited: boolean;
  readonly forkCount: number;
  /** What lies before this position was dropped. It is a boundary of messages. */
  readonly earliest: number;
  /** Stream-Retention, as PUT had it; null: none. */
  readonly retention: Retention | null;
  /** JSON, which only `labelsOf` parses: reads and appends have no use for it. Null: none. */
  readonly labels: string | null;
  /** The streams it was forked from, nearest first. */
  readonly sources: readonly Ancestor[];
  /** By the database's clock, when the row was read. */
  readonly expired: boolean;
  /** Whether a read at this time has to renew the TTL. */
  readonly ttlRenewalDue: boolean;
}

/** The row as PostgreSQL returns it. */
export interface StreamRow {
  id: number;
  path: string;
  content_type: string;
  state: StreamLifecycle;
  closed: boolean;
  tail: number;
  ttl_seconds: number | null;
  expires_at_ms: number | null;
  last_seq: string | null;
  source_id: number | null;
  source_path: string | null;
  fork_position: number | null;
  fork_anchor: number | null;
  fork_sub_offset: number | null;
  expiry_inherited: boolean;
  fork_count: number;
  expired: boolean;
  renews_ttl: boolean;
  earliest: number;
  retention_age_seconds: number | null;
  retention_bytes: number | null;
  /** A JSON object. */
  labels: string | null;
}

const NO_SOURCES: readonly Ancestor[] = [];

/** @param sources of a fork; they are not in its row */
export function stateOf(row: StreamRow, sources = NO_SOURCES): StreamState {
  return {
    id: row.id,
    path: row.path,
    contentType: row.content_type,
    state: row.state,
    closed: row.closed,
    tail: row.tail,
    ttlSeconds: row.ttl_seconds,
    expiresAtMs: row.expires_at_ms,
    lastSeq: row.last_seq,
    sourceId: row.source_id,
    sourcePath: row.source_path,
    forkPosition: row.fork_position,
    forkAnchor: row.fork_anchor,
    forkSubOffset: row.fork_sub_offset,
    expiryInherited: row.expiry_inherited,
    forkCount: row.fork_count,
    earliest: row.earliest,
    retention: ownRetention(row),
    labels: row.labels,
    sources,
    expired: row.expired,
    ttlRenewalDue: row.renews_ttl,
  };
}

/** What PUT said of retention; null: nothing. */
export function ownRetention(
  { retention_age_seconds: ageSeconds, retention_bytes: bytes }: Pick<
    StreamRow,
    "retention_age_seconds" | "retention_bytes"
  >,
): Retention | null {
  return ageSeconds === null && bytes === null ? null : { ageSeconds, bytes };
}

export function labelsOf({ labels }: Pick<StreamState, "labels">): Labels | null {
  return labels === null ? null : JSON.parse(labels);
}

/** The refusal of a position before the earliest. */
export function trimmed(stream: Forked & Pick<StreamState, "earliest">): Refused {
  return new Refused({ kind: "trimmed", earliest: offsetAt(stream, stream.earliest) });
}

/**
 * Why this stream cannot be used directly, or null when it can. An expired stream that forks still
 * read is about to be soft-deleted, and answers as if it were.
 */
export function unusable(
  stream: Pick<StreamState, "state" | "expired" | "forkCount"> | null,
): Refusal | null {
  if (stream === null) return { kind: "not_found" };
  if (stream.state === "active" && !stream.expired) return null;
  const read = stream.state === "soft_deleted" ||
    (stream.state === "active" && stream.forkCount > 0);
  return read ? { kind: "gone" } : { kind: "not_found" };
}
