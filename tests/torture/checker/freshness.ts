/**
 * Real time: what one answer has shown of a stream, every later request finds, on every node. A
 * tail that an answer gave is the least that requests made after it may meet; a stream that an
 * answer called closed stays so, and ends where that answer said.
 */
import type { Append, Operation } from "../history.ts";
import { type Log, type Logs, operationsByIncarnation } from "./logs.ts";
import type { Rule, Violation } from "./violation.ts";

/** An answer shows that at some moment between `from` and `to` the tail was `tail`, or beyond. */
interface Sight {
  readonly from: number;
  readonly to: number;
  readonly tail: number;
  /** The tail was there and no further, when it was looked at. */
  readonly exact: boolean;
  /** Null: the answer does not say. */
  readonly closed: boolean | null;
  readonly by: Operation;
}

/** A record cannot lie before what had been seen when it was first sent. */
interface Placed {
  readonly from: number;
  readonly start: number;
  readonly record: number;
  readonly by: Operation;
}

export function checkFreshness(
  operations: readonly Operation[],
  logs: Logs,
): Violation[] {
  const byStream = operationsByIncarnation(operations, logs);
  return [...byStream].flatMap(([one, own]) => new StreamCheck(logs.logs.get(one)!, own).check());
}

class StreamCheck {
  readonly #log: Log;
  readonly #operations: readonly Operation[];
  readonly #sights: readonly Sight[];
  readonly #violations: Violation[] = [];

  constructor(log: Log, operations: readonly Operation[]) {
    this.#log = log;
    this.#operations = operations;
    this.#sights = operations.flatMap((operation) => sightOf(operation) ?? []);
  }

  check(): Violation[] {
    this.#checkTails();
    this.#checkClosure();
    return this.#violations;
  }

  #checkTails(): void {
    const known = [...this.#sights].sort((a, b) => a.to - b.to);
    const asked: (Sight | Placed)[] = [
      ...this.#sights.filter((sight) => sight.exact),
      ...this.#placed(),
    ].sort((a, b) => a.from - b.from);
    let at = 0;
    let most: Sight | null = null;
    for (const one of asked) {
      for (; at < known.length && known[at]!.to < one.from; at++) {
        if (most === null || known[at]!.tail > most.tail) most = known[at]!;
      }
      if (most === null) continue;
      if ("record" in one && one.start < most.tail) {
        this.#report(
          "out of order",
          `record ${one.record} lies at ${one.start}, but was sent after a tail of ${most.tail}`,
          [most.by, one.by],
        );
      } else if (!("record" in one) && one.tail < most.tail) {
        this.#report("stale", `tail ${one.tail} after a tail of ${most.tail}`, [most.by, one.by]);
      }
    }
  }

  /** Where each record lies, and when it was first sent. */
  #placed(): Placed[] {
    const first = new Map<number, Append>();
    for (const operation of this.#operations) {
      if (operation.kind !== "append" || operation.record === null) continue;
      const before = first.get(operation.record);
      if (before === undefined || operation.invoked < before.invoked) {
        first.set(operation.record, operation);
      }
    }
    return [...first].flatMap(([record, by]) => {
      const cell = this.#log.of(record);
      return cell === undefined ? [] : [{ from: by.invoked, start: cell.start, record, by }];
    });
  }

  #checkClosure(): void {
    const closed = this.#sights.filter((sight) => sight.closed === true);
    if (closed.length === 0) return;
    const first = closed.reduce((a, b) => b.to < a.to ? b : a);
    for (const sight of closed) {
      if (sight.tail === first.tail) continue;
      this.#report("two ends", `closed at ${first.tail} and at ${sight.tail}`, [
        first.by,
        sight.by,
      ]);
    }
    for (const sight of this.#sights) {
      if (sight.closed !== false || sight.from <= first.to) continue;
      this.#report("closed, then open", `open after it was closed`, [first.by, sight.by]);
    }
    const beyond = this.#log.cells.at(-1);
    if (beyond !== undefined && beyond.end > first.tail) {
      this.#report(
        "closed, then open",
        `record ${beyond.record} reaches to ${beyond.end}, beyond the end at ${first.tail}`,
        [first.by],
        [beyond.shownBy],
      );
    }
    const closers = this.#operations.filter((one) => one.kind === "append" && one.closes);
    if (!closers.some((one) => one.invoked < first.to)) {
      this.#report("closed by nobody", "closed, and nobody had asked for it", [first.by]);
    }
  }

  #report(rule: Rule, seen: string, operations: Operation[], more: number[] = []): void {
    this.#violations.push({
      rule,
      path: this.#log.incarnation.path,
      seen,
      operations: [...operations.map((operation) => operation.id), ...more],
    });
  }
}

/** What an answer shows of the tail; null when it shows nothing. */
function sightOf(operation: Operation): Sight | null {
  const { invoked: from, completed: to } = operation;
  const closedRefusal = operation.kind === "append" && operation.reason === "STREAM_CLOSED";
  if (operation.outcome !== "ok" && !closedRefusal) return null;
  switch (operation.kind) {
    case "create":
      return operation.tail === null
        ? null
        : { from, to, tail: operation.tail, exact: true, closed: null, by: operation };
    case "append": {
      if (operation.tail === null) return null;
      const { tail, closed } = operation;
      return { from, to, tail, exact: true, closed: closed || closedRefusal, by: operation };
    }
    case "head": {
      if (operation.tail === null) return null;
      return {
        from,
        to,
        tail: operation.tail,
        exact: true,
        closed: operation.closed,
        by: operation,
      };
    }
    case "read": {
      if (operation.end === null) return null;
      const { end: tail, upToDate: exact, closed } = operation;
      return { from, to, tail, exact, closed: closed ? true : exact ? false : null, by: operation };
    }
    case "delete":
    case "trim":
      return null;
  }
}
