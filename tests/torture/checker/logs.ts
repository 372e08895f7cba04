/**
 * What each stream holds, as far as answers show: which record lies where. Every answer has to fit
 * with every other one, and what two of them say of one position has to be the same.
 */
import type { Append, Create, History, Operation, Read } from "../history.ts";
import { bytesOf, storedBytes, storedLength } from "../records.ts";
import { type Incarnation, Incarnations } from "./incarnations.ts";
import type { Violation } from "./violation.ts";

/** One record at its place; the end of it is missing where a fork left its source inside it. */
export interface Cell {
  readonly record: number;
  readonly start: number;
  readonly end: number;
  /** The operation that shows it. */
  readonly shownBy: number;
}

export class Log {
  readonly violations: Violation[] = [];
  readonly #byStart = new Map<number, Cell>();
  readonly #byRecord = new Map<number, Cell>();
  #sorted: Cell[] | undefined;

  constructor(readonly incarnation: Incarnation) {}

  place(record: number, start: number, length: number, shownBy: number): void {
    const elsewhere = this.#byRecord.get(record);
    if (elsewhere !== undefined && elsewhere.start !== start) {
      this.#report(
        "doubled append",
        `record ${record} is at ${elsewhere.start} and at ${start}`,
        [elsewhere.shownBy, shownBy],
      );
    }
    const other = this.#byStart.get(start);
    if (other !== undefined && other.record !== record) {
      this.#report(
        "readers disagree",
        `at ${start} there is record ${other.record}, and record ${record}`,
        [other.shownBy, shownBy],
      );
    }
    if (elsewhere !== undefined || other !== undefined) return;
    const cell = { record, start, end: start + length, shownBy };
    this.#byStart.set(start, cell);
    this.#byRecord.set(record, cell);
    this.#sorted = undefined;
  }

  of(record: number): Cell | undefined {
    return this.#byRecord.get(record);
  }

  get cells(): readonly Cell[] {
    return this.#sorted ??= [...this.#byStart.values()].sort((a, b) => a.start - b.start);
  }

  /** The record that lies across a position, its ends included only where it begins. */
  covering(position: number): Cell | undefined {
    const { cells } = this;
    let low = 0;
    let high = cells.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cells[middle]!.end <= position) low = middle + 1;
      else high = middle;
    }
    const cell = cells[low];
    return cell !== undefined && cell.start <= position ? cell : undefined;
  }

  /** Records that lie over one another. */
  checkOverlaps(): void {
    this.cells.forEach((cell, at) => {
      const next = this.cells[at + 1];
      if (next === undefined || cell.end <= next.start) return;
      this.#report(
        "readers disagree",
        `record ${cell.record} reaches to ${cell.end}, record ${next.record} begins at ${next.start}`,
        [cell.shownBy, next.shownBy],
      );
    });
  }

  #report(rule: Violation["rule"], seen: string, operations: number[]): void {
    this.violations.push({ rule, path: this.incarnation.path, seen, operations });
  }
}

export interface Logs {
  readonly logs: ReadonlyMap<Incarnation, Log>;
  readonly violations: readonly Violation[];
  /** The stream a piece was read from, or an append went to; null where that is not known. */
  incarnationOf(operation: Operation): Incarnation | null;
}

export function buildLogs(history: History, incarnations: Incarnations): Logs {
  const builder = new LogBuilder(history, incarnations);
  return builder.build();
}

/** In their order; without those of which it is not known which stream they met. */
export function operationsByIncarnation(
  operations: readonly Operation[],
  logs: Logs,
): Map<Incarnation, Operation[]> {
  const byStream = new Map<Incarnation, Operation[]>();
  for (const operation of operations) {
    const one = logs.incarnationOf(operation);
    if (one === null) continue;
    const same = byStream.get(one);
    if (same === undefined) byStream.set(one, [operation]);
    else same.push(operation);
  }
  return byStream;
}

class LogBuilder {
  readonly #history: History;
  readonly #incarnations: Incarnations;
  readonly #logs = new Map<Incarnation, Log>();
  readonly #met = new Map<number, Incarnation>();
  readonly #lengths = new Map<number, number>();
  /** When each record was first answered with success. */
  readonly #acked = new Map<number, number>();
  readonly #violations: Violation[] = [];

  constructor(history: History, incarnations: Incarnations) {
    this.#history = history;
    this.#incarnations = incarnations;
    for (const one of incarnations.all) this.#logs.set(one, new Log(one));
  }

  build(): Logs {
    const reads: Read[] = [];
    for (const operation of this.#history.operations) {
      const met = this.#incarnations.onlyMetBy(operation);
      if (met !== null) this.#met.set(operation.id, met);
      if (operation.outcome !== "ok") continue;
      if (operation.kind === "append" || operation.kind === "create") this.#placeAcked(operation);
      else if (operation.kind === "read") reads.push(operation);
    }
    // What a fork inherits is known before the fork's own.
    this.#inherit();
    for (const read of reads) this.#identify(read);
    for (const read of reads) this.#placeRead(read);
    this.#inherit();
    for (const log of this.#logs.values()) log.checkOverlaps();
    for (const read of reads) this.#checkEdges(read);
    for (const log of this.#logs.values()) this.#violations.push(...log.violations);
    return {
      logs: this.#logs,
      violations: this.#violations,
      incarnationOf: (operation) => this.#met.get(operation.id) ?? null,
    };
  }

  #lengthOf(record: number): number | null {
    const known = this.#lengths.get(record);
    if (known !== undefined) return known;
    const shape = this.#history.records.get(record);
    if (shape === undefined) return null;
    const length = storedLength(shape);
    this.#lengths.set(record, length);
    return length;
  }

  #placeAcked(operation: Append | Create): void {
    const { record, tail } = operation;
    if (record !== null && !this.#acked.has(record)) {
      this.#acked.set(record, operation.completed);
    }
    const log = this.#logs.get(this.#met.get(operation.id)!);
    if (log === undefined || record === null || tail === null) return;
    if (operation.kind === "create") {
      // The answer's tail may be a later one when the stream was there already.
      log.place(record, operation.fork?.position ?? 0, this.#lengthOf(record)!, operation.id);
    } else if (!operation.duplicate) {
      const length = this.#lengthOf(record)!;
      log.place(record, tail - length, length, operation.id);
    }
  }

  /**
   * A stream and its forks hold the same up to where they part: what one has shown goes to all, up
   * to the source first, and from there to its other forks and theirs.
   */
  #inherit(): void {
    const forks = this.#incarnations.all.flatMap((one) => {
      const source = this.#incarnations.sourceOf(one);
      if (source === null) return [];
      const [fork, original] = [this.#logs.get(one)!, this.#logs.get(source)!];
      return [{ fork, original, position: one.fork!.position }];
    });
    for (const { fork, original, position } of forks.toReversed()) {
      for (const { record, start, end, shownBy } of fork.cells) {
        const whole = end - start === this.#lengthOf(record);
        if (whole && end <= position) original.place(record, start, end - start, shownBy);
      }
    }
    for (const { fork, original, position } of forks) {
      for (const { record, start, end, shownBy } of original.cells) {
        if (start >= position) break;
        fork.place(record, start, Math.min(end, position) - start, shownBy);
      }
    }
  }

  /** Where several streams may have been met, a record that was read tells which it was. */
  #identify(read: Read): void {
    if (this.#met.has(read.id)) return;
    for (const one of this.#incarnations.metBy(read)) {
      const log = this.#logs.get(one)!;
      if (read.records.some((record) => log.of(record) !== undefined)) this.#met.set(read.id, one);
    }
  }

  #placeRead(read: Read): void {
    for (const flaw of read.flaws) this.#report("changed bytes", flaw, read);
    const log = this.#logs.get(this.#met.get(read.id)!);
    if (log === undefined || read.end === null) return;
    let at = read.start + read.head.length;
    for (const record of read.records) {
      const length = this.#lengthOf(record);
      if (length === null) return this.#report("changed bytes", `no record ${record}`, read);
      this.#checkHome(log.incarnation, record, at, read);
      log.place(record, at, length, read.id);
      at += length;
    }
    at += read.rest.length;
    if (at === read.end || read.flaws.length > 0) return;
    this.#report(
      "wrong range",
      `from ${read.start} to ${read.end} there are ${at - read.start} bytes`,
      read,
    );
  }

  /** A stream holds what was appended to it, and a fork what it and its sources were. */
  #checkHome(one: Incarnation, record: number, at: number, read: Read): void {
    const { path } = this.#history.records.get(record)!;
    if (path === one.path && (this.#acked.get(record) ?? Infinity) < one.mayExistFrom) {
      this.#report("resurrected record", `record ${record} was of the stream before`, read);
    }
    const home = this.#incarnations.homeOf(one, at);
    if (home === null || home === path) return;
    const seen = `record ${record} was written to ${path}, and lies at ${at}, where ${home} is`;
    this.#report("misplaced record", seen, read);
  }

  /** Pieces of records at both ends of what was read. */
  #checkEdges(read: Read): void {
    const log = this.#logs.get(this.#met.get(read.id)!);
    if (log === undefined || read.end === null) return;
    if (read.head !== "") this.#checkPiece(log, read, read.start, read.head);
    if (read.rest !== "") this.#checkPiece(log, read, read.end - read.rest.length, read.rest);
    // A fork may have left its source inside a record.
    const cuts = this.#incarnations.cutsOf(log.incarnation);
    const whole = read.upToDate && !cuts.includes(read.end);
    if (cuts.includes(read.start) && read.head !== "" && (whole || read.records.length > 0)) {
      const seen = `at ${read.start}, where it parts from its source, no record begins`;
      this.#report("wrong fork point", seen, read);
    }
    const across = log.covering(read.end);
    if (whole && across !== undefined && across.start < read.end) {
      this.#report(
        "torn record",
        `up to date at ${read.end}, inside record ${across.record}`,
        read,
      );
    } else if (whole && read.rest !== "") {
      this.#report("torn record", `up to date after a part of a record`, read);
    }
  }

  /** A piece may hold the end of one record and the beginning of the next. */
  #checkPiece(log: Log, read: Read, start: number, text: string): void {
    for (let at = 0; at < text.length;) {
      const cell = log.covering(start + at);
      // Nobody may ever have read this record in full: then nothing is known of it.
      if (cell === undefined) return;
      const stored = storedBytes(this.#history.records.get(cell.record)!);
      const expected = stored.subarray(start + at - cell.start, cell.end - cell.start);
      const given = bytesOf(text.slice(at, at + expected.length));
      if (!given.every((byte, offset) => byte === expected[offset])) {
        return this.#report(
          "changed bytes",
          `part of record ${cell.record} at ${start + at}`,
          read,
        );
      }
      at += given.length;
    }
  }

  #report(rule: Violation["rule"], seen: string, read: Read): void {
    this.#violations.push({ rule, path: read.path, seen, operations: [read.id] });
  }
}
