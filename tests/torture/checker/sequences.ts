/**
 * `Stream-Seq`: an accepted value is greater, byte by byte, than every value that the stream has
 * accepted before, and only an append for which that does not hold is refused. The clients send
 * ASCII, which JavaScript compares as its bytes.
 */
import type { Append, History } from "../history.ts";
import type { Incarnation, Incarnations } from "./incarnations.ts";
import type { Cell, Logs } from "./logs.ts";
import type { Rule, Violation } from "./violation.ts";

type Sequenced = Append & { readonly streamSeq: string };

export function checkSequences(
  { operations }: History,
  incarnations: Incarnations,
  logs: Logs,
): Violation[] {
  const appends = operations.filter((one) => one.kind === "append");
  const sequenced = appends.filter((one): one is Sequenced => one.streamSeq !== undefined);
  const own = groupedBy(sequenced, (one) => logs.incarnationOf(one));
  const refused = groupedBy(appends.filter(isRefused), (one) => logs.incarnationOf(one));
  // What may have gone to another stream of that path explains a refusal all the same.
  const byPath = groupedBy(sequenced, ({ path }) => path);
  const may = (one: Incarnation) =>
    (byPath.get(one.path) ?? []).filter((append) => incarnations.metBy(append).includes(one));
  return [
    ...[...own].flatMap(([one, group]) => [...disorder(group, one, logs), ...regressions(group)]),
    ...[...refused].flatMap(([one, group]) => falseRefusals(group, may(one))),
  ];
}

/** In the order in which they are stored, what has an answer and what has none. */
function disorder(own: readonly Sequenced[], stream: Incarnation, logs: Logs): Violation[] {
  const log = logs.logs.get(stream)!;
  const placed = new Map<number, { cell: Cell; by: Sequenced }>();
  for (const by of own) {
    const cell = by.record === null ? undefined : log.of(by.record);
    if (cell !== undefined && !placed.has(cell.start)) placed.set(cell.start, { cell, by });
  }
  const stored = [...placed.values()].sort((a, b) => a.cell.start - b.cell.start);
  return stored.flatMap(({ cell, by }, at) => {
    const before = stored[at - 1];
    if (before === undefined || before.by.streamSeq < by.streamSeq) return [];
    const seen = `${by.streamSeq} lies at ${cell.start}, behind ${before.by.streamSeq}`;
    return [violation("stored out of Stream-Seq", seen, [before.by, by], [cell.shownBy])];
  });
}

/** Taken, though one that is not less had been answered with success before it was sent. */
function regressions(own: readonly Sequenced[]): Violation[] {
  const taken = own.filter((one) => one.outcome === "ok");
  const known = [...taken].sort((a, b) => a.completed - b.completed);
  const asked = taken.filter((one) => !one.duplicate).sort((a, b) => a.invoked - b.invoked);
  let at = 0;
  let most: Sequenced | null = null;
  return asked.flatMap((one) => {
    for (; at < known.length && known[at]!.completed < one.invoked; at++) {
      if (most === null || known[at]!.streamSeq > most.streamSeq) most = known[at]!;
    }
    if (most === null || most.streamSeq < one.streamSeq) return [];
    const seen = `${one.streamSeq} was taken after ${most.streamSeq}`;
    return [violation("took a regression", seen, [most, one])];
  });
}

/** Refused, though nothing that is not less can have been taken before. */
function falseRefusals(refused: readonly Append[], may: readonly Sequenced[]): Violation[] {
  return refused.filter((one) =>
    one.streamSeq === undefined ||
    !may.some((other) =>
      other.outcome !== "refused" && other.streamSeq >= one.streamSeq! &&
      other.invoked < one.completed
    )
  ).map((one) => {
    const { streamSeq = "no Stream-Seq" } = one;
    return violation("false 409", `nothing had been taken that ${streamSeq} is not after`, [one]);
  });
}

function isRefused({ reason }: Append): boolean {
  return reason === "SEQUENCE_REGRESSION";
}

function groupedBy<T, K>(all: readonly T[], keyOf: (one: T) => K | null): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    if (key === null) continue;
    const same = groups.get(key);
    if (same === undefined) groups.set(key, [one]);
    else same.push(one);
  }
  return groups;
}

function violation(
  rule: Rule,
  seen: string,
  appends: readonly Append[],
  more: readonly number[] = [],
): Violation {
  const operations = [...appends.map((append) => append.id), ...more];
  return { rule, path: appends[0]!.path, seen, operations };
}
