/** A stream as the listing shows it: docs/extensions.md says what each member means. */
import type { Labels } from "../../protocol/labels.ts";
import type { Retention } from "../../protocol/retention.ts";
import { encodeOffset } from "../../protocol/offset.ts";
import { type Ancestor, offsetAt } from "../read/fork_chain.ts";
import { labelsOf } from "../stream_state.ts";

export interface Entry {
  readonly path: string;
  readonly content_type: string;
  readonly earliest_offset: string;
  readonly next_offset: string;
  /** Stored by this stream itself. */
  readonly bytes: number;
  readonly messages: number | null;
  readonly closed: boolean;
  readonly ttl_seconds: number | null;
  readonly expires_at: string | null;
  readonly forked_from: string | null;
  readonly forks: number;
  /** On this node. */
  readonly followers: number;
  readonly created_at: string | null;
  readonly last_append_at: string | null;
  readonly retention: {
    readonly age_seconds: number | null;
    readonly bytes: number | null;
  } | null;
  readonly labels: Labels;
}

/** A row of `penstock.stream_entries`. */
export interface EntryRow {
  readonly id: number;
  readonly path: string;
  readonly content_type: string;
  readonly closed: boolean;
  readonly tail: number;
  readonly bytes: number;
  readonly earliest: number;
  readonly retention_age_seconds: number | null;
  readonly retention_bytes: number | null;
  readonly ttl_seconds: number | null;
  readonly expires_at_ms: number | null;
  readonly source_path: string | null;
  readonly fork_position: number | null;
  readonly fork_count: number;
  readonly created_at_ms: number | null;
  readonly last_append_at_ms: number | null;
  readonly labels: string | null;
}

/** What an entry shows that is not of its row. */
export interface EntryContext {
  /** Of a fork, nearest first. */
  readonly sources: readonly Ancestor[];
  /** What holds for the stream, by its PUT or by the server's rules. */
  readonly retention: Retention | null;
  /** On this node. */
  readonly followers: number;
}

export function entryOf(row: EntryRow, { sources, retention, followers }: EntryContext): Entry {
  const { id, tail, bytes, earliest, fork_position: forkPosition } = row;
  const forked = { id, forkPosition, sources };
  return {
    path: row.path,
    content_type: row.content_type,
    earliest_offset: encodeOffset(offsetAt(forked, earliest)),
    next_offset: encodeOffset(offsetAt(forked, tail)),
    bytes,
    // Segments do not count their messages.
    messages: bytes === 0 ? 0 : null,
    closed: row.closed,
    ttl_seconds: row.ttl_seconds,
    expires_at: timeOf(row.expires_at_ms),
    forked_from: row.source_path,
    forks: row.fork_count,
    followers,
    created_at: timeOf(row.created_at_ms),
    last_append_at: timeOf(row.last_append_at_ms),
    retention: retention === null
      ? null
      : { age_seconds: retention.ageSeconds, bytes: retention.bytes },
    labels: labelsOf(row) ?? {},
  };
}

/** RFC 3339. */
export function timeOf(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}
