/**
 * Trims streams that hold more than they are to keep, a little at a time, and deletes what was
 * dropped. Every node walks through the streams that a retention may concern; which of them are due
 * the database tells by their newest and their earliest segment. Appends note nothing anywhere.
 */
import { and, asc, eq, gt, sql } from "drizzle-orm";
import { type Database, numberArray } from "../../storage/database.ts";
import { streams } from "../../storage/schema.ts";
import { ownRetention } from "../stream_state.ts";
import { retentionOf, type RetentionRule } from "./rules.ts";
import { type Cut, trimAll } from "./trim.ts";

/** Streams in one step of a walk, and of those trimmed in one transaction, which locks them. */
const BATCH = 1000;
const TRIMMED_BATCH = 100;
/** From the end of a walk to the next, and so many times as long as the walk took. Milliseconds. */
const PAUSE_MS = 5000;
const PAUSE_FACTOR = 10;
/**
 * The most segments, and about the most bytes, that one transaction deletes. An embedded database blocks
 * this thread meanwhile.
 */
const DELETED_SEGMENTS = { postgres: 1000, embedded: 200 };
const DELETED_BYTES = { postgres: 2 << 20, embedded: 256 << 10 };

const DUE = `select stream_id as id, cut as earliest from penstock.find_retention_cuts(
  $1::bigint[], $2::bigint[], $3::bigint[])`;

export interface RetentionParts {
  readonly database: Database;
  readonly rules: readonly RetentionRule[];
  /** Told where streams begin now. */
  readonly onTrimmed: (cuts: readonly Cut[]) => void;
  /** From one walk to the next, milliseconds. */
  readonly pauseMs?: number;
}

/** What one step did. */
export interface RetentionReport {
  readonly trimmed: number;
  readonly deletedSegments: number;
  /** How long the deletion took. Milliseconds. */
  readonly deletingMs: number;
  /** Whether there is more to do at once. */
  readonly more: boolean;
}

interface Candidate {
  readonly id: number;
  readonly path: string;
  readonly retention_age_seconds: number | null;
  readonly retention_bytes: number | null;
}

export class Retentions {
  readonly #parts: RetentionParts;
  /** The id to continue after; null between two walks. */
  #afterId: number | null = null;
  #startedAt = 0;
  #dueAt = 0;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** One bounded step of the walk, and one of the deletion. */
  async step(): Promise<RetentionReport> {
    const walked = await this.#walk();
    const { database } = this.#parts;
    const began = performance.now();
    const [row] = await database.query<{ deleted: number; more: boolean }>(
      "select * from penstock.delete_trimmed($1, $2)",
      [DELETED_SEGMENTS[database.kind], DELETED_BYTES[database.kind]],
    );
    return {
      trimmed: walked.trimmed,
      deletedSegments: row?.deleted ?? 0,
      deletingMs: performance.now() - began,
      more: walked.more || row?.more === true,
    };
  }

  async #walk(): Promise<{ trimmed: number; more: boolean }> {
    if (this.#afterId === null) {
      if (performance.now() < this.#dueAt) return { trimmed: 0, more: false };
      this.#startedAt = performance.now();
      this.#afterId = 0;
    }
    const candidates = await this.#candidates(this.#afterId);
    const trimmed = await this.#trim(candidates);
    if (trimmed.again) return { trimmed: trimmed.count, more: true };
    if (candidates.length === BATCH) {
      this.#afterId = candidates.at(-1)!.id;
      return { trimmed: trimmed.count, more: true };
    }
    this.#afterId = null;
    const now = performance.now();
    const pauseMs = this.#parts.pauseMs ?? PAUSE_MS;
    this.#dueAt = now + Math.max(pauseMs, PAUSE_FACTOR * (now - this.#startedAt));
    return { trimmed: trimmed.count, more: false };
  }

  /** The next streams that a retention may concern: all of them where the server has rules. */
  async #candidates(afterId: number): Promise<Candidate[]> {
    const { database, rules } = this.#parts;
    const { id, path, state, retentionAgeSeconds: age, retentionBytes: bytes } = streams;
    return await database.typedQuery((drizzle) =>
      drizzle.select({ id, path, retention_age_seconds: age, retention_bytes: bytes })
        .from(streams)
        .where(and(
          gt(id, afterId),
          // In the statement's text, and no parameters, so that partial indexes are used.
          rules.length > 0
            ? eq(state, "active")
            : sql`coalesce(${age}, ${bytes}) is not null and ${state} = 'active'`,
        ))
        .orderBy(asc(id)).limit(BATCH)
    );
  }

  async #trim(candidates: readonly Candidate[]): Promise<{ count: number; again: boolean }> {
    const { database, rules, onTrimmed } = this.#parts;
    const limited = candidates.flatMap((candidate) => {
      const { id, path } = candidate;
      const retention = retentionOf(rules, { path, retention: ownRetention(candidate) });
      return retention === null ? [] : [{ id, ...retention }];
    });
    if (limited.length === 0) return { count: 0, again: false };
    const due = await database.query<Cut>(DUE, [
      numberArray(limited.map(({ id }) => id)),
      numberArray(limited.map(({ ageSeconds }) => ageSeconds)),
      numberArray(limited.map(({ bytes }) => bytes)),
    ]);
    for (let from = 0; from < due.length; from += TRIMMED_BATCH) {
      onTrimmed(await trimAll(database, due.slice(from, from + TRIMMED_BATCH)));
    }
    // A cut by age goes only so far at once.
    return { count: due.length, again: due.length > 0 };
  }
}
