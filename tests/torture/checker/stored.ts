/** Records: what was acked is there exactly once, what was refused is not, on every node. */
import type { Append, Create, History, Read } from "../history.ts";
import { bytesOf, decode } from "../records.ts";
import type { Incarnation, Incarnations } from "./incarnations.ts";
import type { Rule, Violation } from "./violation.ts";

interface Attempts {
  readonly all: (Append | Create)[];
  acked: Append | Create | null;
  /** No attempt may still have taken place. */
  refused: boolean;
}

export function checkStored(history: History, incarnations: Incarnations): Violation[] {
  const attempts = attemptsByRecord(history);
  return [
    ...checkSettled(history, incarnations, attempts),
    ...checkRead(history, attempts),
  ];
}

function attemptsByRecord(history: History): Map<number, Attempts> {
  const attempts = new Map<number, Attempts>();
  for (const operation of history.operations) {
    if (operation.kind !== "append" && operation.kind !== "create") continue;
    if (operation.record === null) continue;
    const own = attempts.get(operation.record) ?? { all: [], acked: null, refused: true };
    attempts.set(operation.record, own);
    own.all.push(operation);
    if (operation.outcome === "ok") own.acked ??= operation;
    if (operation.outcome !== "refused") own.refused = false;
  }
  return attempts;
}

/** Streams that were read in full at the end. */
function checkSettled(
  history: History,
  incarnations: Incarnations,
  attempts: Map<number, Attempts>,
): Violation[] {
  const violations: Violation[] = [];
  const whole = new Map<string, { records: readonly number[]; reads: readonly number[] }>();
  const byPath = new Map<string, [number, Attempts][]>();
  for (const [record, own] of attempts) {
    const { path } = own.all[0]!;
    const same = byPath.get(path);
    if (same === undefined) byPath.set(path, [[record, own]]);
    else same.push([record, own]);
  }
  for (const { path, reads } of history.settled) {
    const incarnation = incarnations.of(path).at(-1);
    const cuts = incarnation === undefined ? [] : incarnations.cutsOf(incarnation);
    const records = recordsIn(reads.map((id) => history.operations[id] as Read), cuts);
    const report = (rule: Rule, seen: string, operations: number[]) =>
      violations.push({ rule, path, seen, operations });
    const before = whole.get(path);
    if (before === undefined) whole.set(path, { records, reads });
    else if (String(before.records) !== String(records)) {
      report("readers disagree", "two nodes do not hold the same", [...before.reads, ...reads]);
    }
    const held = new Set(records);
    if (held.size < records.length) report("doubled append", "a record is held twice", [...reads]);
    for (const [record, { acked }] of byPath.get(path) ?? []) {
      if (acked === null || held.has(record) || !belongs(acked, incarnation)) continue;
      if (mayBeDropped(acked, (history.operations[reads[0]!] as Read).start)) continue;
      report("lost append", `record ${record} was acked and is not there`, [acked.id, ...reads]);
    }
  }
  return violations;
}

/** The records of successive pieces, those across two or more of them included. */
function recordsIn(pieces: readonly Read[], cuts: readonly number[]): number[] {
  const records: number[] = [];
  let across = "";
  for (const piece of pieces) {
    // What a fork cut off goes no further.
    if (cuts.includes(piece.start)) {
      records.push(...decode(bytesOf(across)).records);
      across = "";
    }
    across += piece.head;
    if (piece.records.length === 0 && piece.rest === "") continue;
    records.push(...decode(bytesOf(across)).records, ...piece.records);
    across = piece.rest;
  }
  return [...records, ...decode(bytesOf(across)).records];
}

/** What was read begins there: `checkTrims` judges whether it may. */
function mayBeDropped(acked: Append | Create, start: number): boolean {
  // A duplicate is answered with the tail there is by then.
  const duplicate = acked.kind === "append" && acked.duplicate;
  return start > 0 && (duplicate || acked.kind === "create" || acked.tail! <= start);
}

/** Whether what was acked can only have gone to this incarnation of the path. */
function belongs(acked: Append | Create, incarnation: Incarnation | undefined): boolean {
  return incarnation !== undefined && acked.invoked >= incarnation.mayExistFrom;
}

function checkRead(history: History, attempts: Map<number, Attempts>): Violation[] {
  const violations: Violation[] = [];
  for (const read of history.operations) {
    if (read.kind !== "read") continue;
    for (const record of read.records) {
      const own = attempts.get(record);
      if (own === undefined) continue;
      const first = own.all[0]!;
      const report = (rule: Rule, seen: string) =>
        violations.push({ rule, path: read.path, seen, operations: [first.id, read.id] });
      if (own.refused) report("refused yet stored", `record ${record} was refused and is there`);
      if (first.invoked > read.completed) {
        report("read before it was written", `record ${record} was sent after it was read`);
      }
    }
    if (new Set(read.records).size < read.records.length) {
      violations.push({
        rule: "doubled append",
        path: read.path,
        seen: "a record is there twice in one answer",
        operations: [read.id],
      });
    }
  }
  return violations;
}
