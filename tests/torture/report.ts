/** What a run has to say, in text. */
import type { Violation } from "./checker/violation.ts";
import type { Create, History, Operation } from "./history.ts";

const OUTCOMES = ["ok", "refused", "unknown"] as const;
const AROUND = 3;
const MOST_SHOWN = 20;

/** Operations by kind and outcome, faults by kind. */
export function summary(history: History): string {
  const kinds = new Map<string, Record<string, number>>();
  for (const operation of history.operations) {
    const kind = operation.kind === "read" ? operation.mode : operation.kind;
    const counts = kinds.get(kind) ?? { ok: 0, refused: 0, unknown: 0 };
    kinds.set(kind, counts);
    counts[operation.outcome]!++;
  }
  const faults = new Map<string, number>();
  for (const { kind, target } of history.faults) {
    const name = target.startsWith("failed") ? `${kind} (${target.split("\n")[0]})` : kind;
    faults.set(name, (faults.get(name) ?? 0) + 1);
  }
  return [
    table(
      ["operation", ...OUTCOMES],
      [...kinds].map(([kind, counts]) => [
        kind,
        ...OUTCOMES.map((outcome) => String(counts[outcome])),
      ]),
    ),
    "",
    table(["fault", "times"], [...faults].map(([kind, times]) => [kind, String(times)])),
  ].join("\n");
}

/** Violations with the smallest history that shows them. */
export function explain(history: History, violations: readonly Violation[]): string {
  const shown = violations.slice(0, MOST_SHOWN).map((violation) => {
    const operations = [...new Set(violation.operations)].sort((a, b) => a - b);
    return [
      `${violation.rule}: ${violation.seen} (${violation.path})`,
      ...around(history, violation.path, operations).map((operation) =>
        `${operations.includes(operation.id) ? " >" : "  "} ${line(operation)}`
      ),
      ...faultsAt(history, operations).map((fault) => `   fault: ${fault}`),
    ].join("\n");
  });
  const more = violations.length - shown.length;
  return [...shown, ...more > 0 ? [`and ${more} more`] : []].join("\n\n");
}

/** Those operations, and what the same stream met just before and after. */
function around(history: History, path: string, ids: readonly number[]): Operation[] {
  const same = history.operations.filter((operation) => operation.path === path);
  const wanted = new Set<Operation>();
  for (const id of ids) {
    wanted.add(history.operations[id]!);
    const at = same.findIndex((operation) => operation.id >= id);
    for (const near of same.slice(Math.max(0, at - AROUND), at + AROUND + 1)) wanted.add(near);
  }
  return [...wanted].sort((a, b) => a.id - b.id);
}

function faultsAt(history: History, ids: readonly number[]): string[] {
  const operations = ids.map((id) => history.operations[id]!);
  const from = Math.min(...operations.map((operation) => operation.invoked)) - 2000;
  const to = Math.max(...operations.map((operation) => operation.completed));
  return history.faults.filter((fault) => fault.from <= to && fault.to >= from)
    .slice(-10)
    .map((fault) => `${fault.kind}, ${fault.target}, ${time(fault.from)} to ${time(fault.to)}`);
}

function line(operation: Operation): string {
  const { id, kind, client, node, invoked, completed, outcome, status, reason } = operation;
  const said = [status ?? "", reason ?? ""].filter((part) => part !== "").join(" ");
  const when = `${time(invoked)}..${time(completed)}`;
  return `#${id} ${when} ${client}@${node} ${kind} ${details(operation)}: ${outcome} ${said}`;
}

function details(operation: Operation): string {
  switch (operation.kind) {
    case "create":
      return `${operation.incarnation}${forkOf(operation)}` +
        ` record ${operation.record} tail ${operation.tail}`;
    case "append": {
      const { record, producer, streamSeq, closes, duplicate, tail } = operation;
      const seq = streamSeq === undefined ? "" : ` seq ${streamSeq.slice(0, 20)}`;
      const claim = (producer === null ? "" : ` (${producer.epoch}, ${producer.seq})`) + seq;
      return `record ${record}${claim}${closes ? " closes" : ""}${duplicate ? " again" : ""}` +
        ` tail ${tail}`;
    }
    case "read": {
      const { mode, start, end, records, upToDate, closed } = operation;
      const list = records.length > 6
        ? `${records.slice(0, 3)}…${records.slice(-3)}`
        : String(records);
      return `${mode} ${start} to ${end} [${list}]${upToDate ? " up to date" : ""}` +
        `${closed ? " closed" : ""}${beginningOf(operation)}`;
    }
    case "head":
      return `tail ${operation.tail}${operation.closed ? " closed" : ""}` +
        beginningOf(operation);
    case "trim":
      return `before ${operation.before} earliest ${operation.earliest}`;
    case "delete":
      return String(operation.incarnation);
  }
}

function beginningOf({ earliest }: { readonly earliest?: number }): string {
  return earliest === undefined ? "" : ` begins at ${earliest}`;
}

function forkOf({ fork }: Create): string {
  if (fork === null) return "";
  const { source, position, by } = fork;
  return ` fork of ${source} at ${position}` +
    (by === undefined ? "" : ` by ${by.anchor} and ${by.subOffset}`);
}

function time(ms: number): string {
  return `${(ms / 1000).toFixed(3)}s`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, at) => Math.max(...all.map((row) => row[at]!.length)));
  return all.map((row) =>
    row.map((cell, at) => at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))
      .join("  ")
  ).join("\n");
}
