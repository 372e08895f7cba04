/**
 * Trims and retention: what an answer called dropped no later request is served, on any node, and
 * nothing is dropped that nobody asked to be.
 */
import type { History, Operation } from "../history.ts";
import type { Incarnation, Incarnations } from "./incarnations.ts";
import { type Logs, operationsByIncarnation } from "./logs.ts";
import type { Rule, Violation } from "./violation.ts";

/** An answer showed, or rests on, that the stream began there. */
interface Beginning {
  readonly at: number;
  readonly by: Operation;
}

export function checkTrims(
  { operations }: History,
  incarnations: Incarnations,
  logs: Logs,
): Violation[] {
  const byStream = operationsByIncarnation(operations, logs);
  return [...byStream].flatMap(([one, own]) => [
    ...checkOrder(one, own),
    ...checkCauses(one, own, causesOf(one, incarnations, byStream)),
  ]);
}

/** The beginning never falls, and what lies before it is not served any more. */
function checkOrder({ path }: Incarnation, operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = [];
  const known = operations.flatMap((by) => beginningIn(by) ?? [])
    .sort((a, b) => a.by.completed - b.by.completed);
  const asked = [...operations].sort((a, b) => a.invoked - b.invoked);
  let at = 0;
  let most: Beginning | null = null;
  for (const operation of asked) {
    for (; at < known.length && known[at]!.by.completed < operation.invoked; at++) {
      if (most === null || known[at]!.at > most.at) most = known[at]!;
    }
    if (most === null) continue;
    const report = (rule: Rule, seen: string) =>
      violations.push({ rule, path, seen, operations: [most!.by.id, operation.id] });
    const shown = beginningIn(operation);
    const hidden = operation.kind === "head" && operation.outcome === "ok" && shown === null;
    if ((hidden && most.at > 0) || (shown !== null && shown.at < most.at)) {
      report("beginning fell", `it began at ${most.at}, and then at ${shown?.at ?? 0}`);
    }
    // An SSE connection that was open goes on; what was opened later does not begin there.
    if (operation.kind !== "read" || operation.outcome !== "ok") continue;
    if (operation.mode !== "sse" && operation.start < most.at) {
      report("dropped, and yet served", `from ${operation.start}, though it began at ${most.at}`);
    }
  }
  return violations;
}

/** Where the stream may have been made to begin, by anything sent until a time. */
type Causes = (until: number) => number;

function checkCauses(
  { path }: Incarnation,
  operations: readonly Operation[],
  causes: Causes,
): Violation[] {
  return operations.flatMap((operation) => {
    const shown = beginningIn(operation);
    if (shown === null) return [];
    const refusedLeft = operation.kind === "read" && operation.start >= shown.at;
    const most = causes(operation.completed);
    if (!refusedLeft && shown.at <= most) return [];
    const seen = refusedLeft
      ? `refused from ${operation.start} on, though it begins at ${shown.at}`
      : `it begins at ${shown.at}, and nobody dropped more than ${most}`;
    return [{ rule: "dropped by nobody", path, seen, operations: [operation.id] }];
  });
}

/** A fork begins no later than where its source, and it, may have been made to. */
function causesOf(
  one: Incarnation,
  incarnations: Incarnations,
  byStream: ReadonlyMap<Incarnation, readonly Operation[]>,
): Causes {
  const own = byStream.get(one) ?? [];
  const trims = own.flatMap((operation) =>
    operation.kind === "trim" && operation.outcome !== "refused" ? [operation] : []
  );
  const kept = Math.max(0, ...one.creates.map((create) => create.retentionBytes ?? 0));
  const tail = Math.max(0, ...own.map(tailIn));
  const byRetention = kept === 0 ? 0 : Math.max(0, tail - kept);
  const source = incarnations.sourceOf(one);
  const inherited = source === null ? null : causesOf(source, incarnations, byStream);
  return (until) =>
    Math.max(
      byRetention,
      inherited === null ? 0 : inherited(until),
      ...trims.filter(({ invoked }) => invoked <= until).map(({ before }) => before),
    );
}

function beginningIn(operation: Operation): Beginning | null {
  if (operation.kind === "trim" && operation.outcome === "ok" && operation.earliest !== null) {
    return { at: operation.earliest, by: operation };
  }
  const shows = operation.kind === "head" ? operation.outcome === "ok" : operation.kind === "read";
  if (!shows || !("earliest" in operation) || operation.earliest === undefined) return null;
  return { at: operation.earliest!, by: operation };
}

function tailIn(operation: Operation): number {
  if (operation.kind === "read") return operation.end ?? 0;
  return "tail" in operation ? operation.tail ?? 0 : 0;
}
