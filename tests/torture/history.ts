/**
 * What clients did and what came of it: all that the checker knows. Times are milliseconds of the
 * one clock of the process that runs the clients, which never goes back.
 */
import { OffsetTokens } from "./offset_tokens.ts";
import type { RecordShape } from "./records.ts";

/**
 * `ok`: took place. `refused`: did not take place, and the answer says why. `unknown`: no answer,
 * or one that leaves it open; it may still take place, at any time after it was invoked.
 */
export type Outcome = "ok" | "refused" | "unknown";

export interface Invocation {
  readonly id: number;
  /** The name of the client, which has one request in flight at a time. */
  readonly client: string;
  /** Which node it was sent to, from 0. */
  readonly node: number;
  readonly path: string;
  readonly invoked: number;
  readonly completed: number;
  readonly outcome: Outcome;
  /** Null without an answer. */
  readonly status: number | null;
  /** The code in the body of a refusal, or why there was no answer. */
  readonly reason: string | null;
  /** Whether a 503 or 429 said when to come back. */
  readonly retryAfter: boolean;
}

export interface Producer {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
}

/** How a stream begins with another's bytes. */
export interface Fork {
  readonly source: string;
  /** Where it leaves the source. */
  readonly position: number;
  /**
   * How that was said: so many bytes, or JSON messages, after an offset that the source had given.
   * Absent: by the position itself.
   */
  readonly by?: { readonly anchor: number; readonly subOffset: number };
}

export interface Create extends Invocation {
  readonly kind: "create";
  /** How often this path has been created, this time included: from 1. */
  readonly incarnation: number;
  readonly json: boolean;
  /** The first record, if the body has one. */
  readonly record: number | null;
  readonly ttlMs: number | null;
  /** The stream keeps so many bytes of its end; absent: all. */
  readonly retentionBytes?: number;
  readonly fork: Fork | null;
  readonly tail: number | null;
}

export interface Append extends Invocation {
  readonly kind: "append";
  /** Null: closes, and appends nothing. */
  readonly record: number | null;
  readonly producer: Producer | null;
  /** `Stream-Seq`, of ASCII; absent: none was sent. */
  readonly streamSeq?: string;
  readonly closes: boolean;
  /** The answer says that this had taken place before. */
  readonly duplicate: boolean;
  readonly tail: number | null;
  readonly closed: boolean;
}

export interface Delete extends Invocation {
  readonly kind: "delete";
  readonly incarnation: number;
}

/** Drops what lies before a position. */
export interface Trim extends Invocation {
  readonly kind: "trim";
  readonly before: number;
  /** Where the stream begins now. */
  readonly earliest: number | null;
}

export interface Head extends Invocation {
  readonly kind: "head";
  /** Where the stream begins; absent: it was never trimmed, or the answer does not say. */
  readonly earliest?: number;
  readonly tail: number | null;
  readonly closed: boolean;
}

/**
 * One piece of a stream: an answer, or the events of an SSE connection up to one `control`. Where
 * one goes across the place at which a fork left its source it is two pieces, with the same times:
 * a record may end there, or be cut off, and what comes after it begins anew.
 */
export interface Read extends Invocation {
  readonly kind: "read";
  readonly mode: "catch-up" | "long-poll" | "sse";
  /** Set when this piece continues where the last one of the same follower ended. */
  readonly follower: string | null;
  readonly start: number;
  readonly end: number | null;
  readonly upToDate: boolean;
  readonly closed: boolean;
  readonly records: readonly number[];
  readonly head: string;
  readonly rest: string;
  readonly flaws: readonly string[];
  /** Of a refusal for an offset that was dropped: where the stream begins. */
  readonly earliest?: number;
}

export type Operation = Create | Append | Delete | Trim | Head | Read;

/** A stream that was read in full when nothing was wrong any more. */
export interface Settled {
  readonly path: string;
  /** The operation, a read that goes from 0 to the end; several where there are several pages. */
  readonly reads: readonly number[];
}

/** A follower that was given every chance to reach the end. */
export interface FollowerEnd {
  readonly follower: string;
  readonly path: string;
  /** Where it was in the end. */
  readonly position: number;
  /** Where the stream's tail was, or has moved on from since. */
  readonly tail: number;
}

export interface Fault {
  readonly kind: string;
  readonly part:
    | "node"
    | "clock"
    | "database clock"
    | "clients"
    | "database"
    | "connections"
    | "snapshots"
    | "segments";
  readonly target: string;
  readonly from: number;
  to: number;
}

/** A time that begins long enough after the last fault that everything has to work again. */
export interface RecoveryWindow {
  readonly from: number;
  readonly to: number;
}

export interface History {
  readonly records: ReadonlyMap<number, RecordShape>;
  readonly operations: readonly Operation[];
  readonly settled: readonly Settled[];
  readonly followerEnds: readonly FollowerEnd[];
  readonly faults: readonly Fault[];
  readonly recoveryWindows: readonly RecoveryWindow[];
}

/** `Omit` that keeps a union a union. */
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
export type Unnumbered = Without<Operation, "id">;

/** Writes a history while it happens. */
export class HistoryRecorder implements History {
  readonly offsets = new OffsetTokens();
  readonly records = new Map<number, RecordShape>();
  readonly operations: Operation[] = [];
  readonly settled: Settled[] = [];
  readonly followerEnds: FollowerEnd[] = [];
  readonly faults: Fault[] = [];
  readonly recoveryWindows: RecoveryWindow[] = [];

  now(): number {
    return performance.now();
  }

  add(operation: Unnumbered): Operation {
    const numbered = { id: this.operations.length, ...operation } as Operation;
    this.operations.push(numbered);
    return numbered;
  }

  /** A record nobody has written yet. */
  newRecord(path: string, parts: number, pad: number): RecordShape {
    const shape = { id: this.records.size + 1, path, parts, pad };
    this.records.set(shape.id, shape);
    return shape;
  }
}

/** As it is kept in a file. */
export function serialise(history: History): string {
  return JSON.stringify({ ...history, records: [...history.records.values()] });
}
