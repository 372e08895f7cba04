/** Idempotent producers: nothing twice, nothing out of sequence, nothing from an older epoch. */
import type { Append, History, Producer } from "../history.ts";
import type { Incarnation } from "./incarnations.ts";
import type { Logs } from "./logs.ts";
import type { Rule, Violation } from "./violation.ts";

type Claimed = Append & { readonly producer: Producer };

export function checkProducers(history: History, logs: Logs): Violation[] {
  const groups = new Map<Incarnation, Map<string, Claimed[]>>();
  for (const operation of history.operations) {
    if (operation.kind !== "append" || operation.producer === null) continue;
    const one = logs.incarnationOf(operation);
    if (one === null) continue;
    const producers = groups.get(one) ?? new Map<string, Claimed[]>();
    groups.set(one, producers);
    const own = producers.get(operation.producer.id) ?? [];
    producers.set(operation.producer.id, own);
    own.push(operation as Claimed);
  }
  return [...groups].flatMap(([one, producers]) =>
    [...producers.values()].flatMap((own) => [
      ...takenTwice(own),
      ...fencing(own),
      ...falseGaps(own),
      ...sequence(own, logs, one),
    ])
  );
}

function takenTwice(own: readonly Claimed[]): Violation[] {
  const taken = new Map<string, Claimed>();
  return own.filter((one) => one.outcome === "ok" && !one.duplicate).flatMap((one) => {
    const key = `${one.producer.epoch} ${one.producer.seq}`;
    const before = taken.get(key);
    taken.set(key, one);
    return before === undefined ? [] : [
      violation("duplicate taken twice", `${nameOf(one)} was taken as new twice`, [before, one]),
    ];
  });
}

/** An epoch that was answered with success shuts out the ones before it. */
function fencing(own: readonly Claimed[]): Violation[] {
  const violations: Violation[] = [];
  for (const one of own) {
    const newer = own.filter((other) => other.producer.epoch > one.producer.epoch);
    if (one.outcome === "ok" && !one.duplicate) {
      const fence = newer.find((other) => other.outcome === "ok" && other.completed < one.invoked);
      if (fence !== undefined) {
        const seen = `${nameOf(one)} was taken after epoch ${fence.producer.epoch}`;
        violations.push(violation("fenced producer wrote", seen, [fence, one]));
      }
    } else if (one.status === 403 && !newer.some((other) => other.invoked < one.completed)) {
      violations.push(
        violation("false 403", `nobody had claimed an epoch after ${nameOf(one)}`, [one]),
      );
    }
  }
  return violations;
}

function falseGaps(own: readonly Claimed[]): Violation[] {
  return own.filter((one) => one.reason === "SEQUENCE_GAP").flatMap((one) => {
    const { epoch, seq } = one.producer;
    const before = own.find((other) =>
      other.producer.epoch === epoch && other.producer.seq === seq - 1 && other.outcome === "ok" &&
      other.completed < one.invoked
    );
    if (seq > 0 && before === undefined) return [];
    const seen = `${nameOf(one)} was refused as a gap, though its predecessor had been taken`;
    return [violation("false 409", seen, before === undefined ? [one] : [before, one])];
  });
}

/** A producer's records lie in the order of epoch and sequence, and duplicates before the tail. */
function sequence(own: readonly Claimed[], logs: Logs, stream: Incarnation): Violation[] {
  const log = logs.logs.get(stream)!;
  const violations: Violation[] = [];
  const ordered = [...own].sort((a, b) =>
    a.producer.epoch - b.producer.epoch || a.producer.seq - b.producer.seq
  );
  let last: { start: number; by: Claimed } | null = null;
  for (const one of ordered) {
    const cell = one.record === null ? undefined : log.of(one.record);
    if (cell === undefined) continue;
    if (last !== null && cell.start < last.start) {
      const seen = `${nameOf(one)} lies at ${cell.start}, ${nameOf(last.by)} at ${last.start}`;
      violations.push(violation("producer out of order", seen, [last.by, one]));
    }
    last = { start: cell.start, by: one };
    if (one.duplicate && one.tail !== null && cell.end > one.tail) {
      const seen = `${
        nameOf(one)
      } was called a duplicate at ${one.tail}, and lies at ${cell.start}`;
      violations.push(violation("producer out of order", seen, [one]));
    }
  }
  return violations;
}

function nameOf({ producer }: Claimed): string {
  return `${producer.id} epoch ${producer.epoch} seq ${producer.seq}`;
}

function violation(rule: Rule, seen: string, operations: readonly Claimed[]): Violation {
  return {
    rule,
    path: operations[0]!.path,
    seen,
    operations: operations.map((operation) => operation.id),
  };
}
