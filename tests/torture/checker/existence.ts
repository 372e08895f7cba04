/**
 * Whether a stream was there: what exists is found, what was deleted stays away until it is created
 * again, and a TTL ends a stream neither early nor much too late.
 */
import type { Fault, History, Operation } from "../history.ts";
import type { Incarnation, Incarnations } from "./incarnations.ts";
import type { Rule, Violation } from "./violation.ts";

/** A stream expires up to a tenth of its TTL late; the rest is for answers that take their time. */
const LATE = 1.1;
const GRACE_MS = 1500;

export function checkExistence(history: History, incarnations: Incarnations): Violation[] {
  const violations: Violation[] = [];
  const uses = usesByPath(history.operations);
  const setBack = history.faults.filter(({ part }) => part === "database clock");
  const report = (rule: Rule, seen: string, operation: Operation) =>
    violations.push({ rule, path: operation.path, seen, operations: [operation.id] });

  for (const operation of history.operations) {
    const { invoked, completed } = operation;
    if (saysMissing(operation)) {
      const missing = missingPath(operation);
      const one = incarnations.of(missing).find((candidate) =>
        candidate.existsFrom <= invoked && completed <= candidate.mayEndFrom
      );
      if (one === undefined || (one.ttlMs !== null && mayHaveExpired(one, uses, operation))) {
        continue;
      }
      if (operation.kind === "create" && operation.fork === null) {
        report("false 409", `refused as ${operation.reason}`, operation);
      } else report("false 404", `${operation.status} for ${missing}, which existed`, operation);
    } else if (operation.outcome === "ok" && operation.kind !== "create") {
      const met = incarnations.metBy(operation);
      if (met.length === 0) {
        report("undead stream", `answered ${operation.status} though deleted`, operation);
      } else if (met.every((one) => mustHaveExpired(one, uses, operation, setBack))) {
        report("outlived its TTL", `answered ${operation.status} though expired`, operation);
      }
    }
  }
  return [...violations, ...falseConflicts(history, incarnations)];
}

/** A PUT that finds something else at its path: only a deleted stream that forks still read. */
function falseConflicts(history: History, incarnations: Incarnations): Violation[] {
  const forkedFrom = new Set(
    incarnations.all.flatMap((one) => one.fork === null ? [] : [one.fork.source]),
  );
  return history.operations.filter((operation) =>
    operation.kind === "create" && operation.status === 409 && !forkedFrom.has(operation.path) &&
    (operation.fork === null || incarnations.of(operation.fork.source)
      .every((source) => operation.completed <= source.mayEndFrom))
  ).map((operation) => ({
    rule: "false 409",
    path: operation.path,
    seen: `a PUT was refused: ${operation.reason}`,
    operations: [operation.id],
  }));
}

/** A stream whose beginning was dropped is there. */
function saysMissing({ status, reason }: Operation): boolean {
  return status === 404 || (status === 410 && reason !== "OFFSET_TRIMMED");
}

/** A fork that is not created for want of its source speaks of the source. */
function missingPath(operation: Operation): string {
  return operation.kind === "create" && operation.fork !== null
    ? operation.fork.source
    : operation.path;
}

function usesByPath(operations: readonly Operation[]): Map<string, Operation[]> {
  const uses = new Map<string, Operation[]>();
  for (const operation of operations) {
    // A HEAD and a trim do not slide the TTL.
    if (["head", "delete", "trim"].includes(operation.kind)) continue;
    const same = uses.get(operation.path);
    if (same === undefined) uses.set(operation.path, [operation]);
    else same.push(operation);
  }
  return uses;
}

/** Whether the TTL may have passed since the last use that surely took place. */
function mayHaveExpired(
  one: Incarnation,
  uses: Map<string, Operation[]>,
  operation: Operation,
): boolean {
  const last = Math.max(
    ...(uses.get(one.path) ?? [])
      .filter((use) => use.outcome === "ok" && use.completed <= operation.invoked)
      .map((use) => use.invoked),
  );
  return operation.completed >= last + one.ttlMs!;
}

/**
 * Whether the TTL must have passed since the last use that can have taken place.
 * @param setBack when the database's clock was set back: streams used before that expire later
 */
function mustHaveExpired(
  one: Incarnation,
  uses: Map<string, Operation[]>,
  operation: Operation,
  setBack: readonly Fault[],
): boolean {
  if (one.ttlMs === null) return false;
  const before = (uses.get(one.path) ?? []).filter((use) =>
    use !== operation && use.invoked <= operation.completed
  );
  if (before.some((use) => use.outcome === "unknown")) return false;
  const last = Math.max(...before.filter((use) => !saysMissing(use)).map((use) => use.completed));
  if (setBack.some(({ from, to }) => from <= operation.completed && to >= last)) return false;
  return operation.invoked > last + one.ttlMs * LATE + GRACE_MS;
}
