/** Forks begin where they were asked to: at an offset, or so many bytes or messages after it. */
import type { Create, History } from "../history.ts";
import { storedBytes, storedLength } from "../records.ts";
import type { Incarnation, Incarnations } from "./incarnations.ts";
import type { Log, Logs } from "./logs.ts";
import type { Violation } from "./violation.ts";

const LINE_FEED = 0x0a;

export function checkForks(
  { records }: History,
  incarnations: Incarnations,
  { logs }: Logs,
): Violation[] {
  return incarnations.all.filter((one) => one.fork !== null).flatMap((one) => {
    const source = incarnations.sourceOf(one);
    const meant = source === null ? null : placeMeant(one, records, logs.get(source)!);
    return [...differing(one, meant), ...answered(one, records)];
  });
}

/** Clients say where they believe to have left; what lay there has to bear them out. */
function differing(one: Incarnation, meant: number | null): Violation[] {
  const { position, by } = one.fork!;
  if (meant === null || meant === position) return [];
  const seen = `${by?.subOffset} after ${by?.anchor} is ${meant}, not ${position}`;
  return [violation(one.creates, seen)];
}

/** The answer to a fork gives its tail: the fork position plus the length of its own first record. */
function answered(one: Incarnation, records: History["records"]): Violation[] {
  const { position } = one.fork!;
  return one.creates.filter(({ status, tail }) => status === 201 && tail !== null)
    .flatMap((create) => {
      const own = create.record === null ? 0 : storedLength(records.get(create.record)!);
      if (create.tail === position + own) return [];
      return [violation([create], `made at ${position} with ${own} bytes, ends at ${create.tail}`)];
    });
}

/** Where the fork has to part from its source; null where the bytes before it are not known. */
function placeMeant(
  { fork, creates: [create] }: Incarnation,
  records: History["records"],
  log: Log,
): number | null {
  const { by } = fork!;
  if (by === undefined) return null;
  if (!create!.json) return by.anchor + by.subOffset;
  let at = by.anchor;
  let left = by.subOffset;
  while (left > 0) {
    const cell = log.covering(at);
    if (cell === undefined) return null;
    const bytes = storedBytes(records.get(cell.record)!).subarray(0, cell.end - cell.start);
    const end = bytes.indexOf(LINE_FEED, at - cell.start);
    if (end === -1) return null;
    at = cell.start + end + 1;
    left--;
  }
  return at;
}

function violation(creates: readonly Create[], seen: string): Violation {
  return {
    rule: "wrong fork point",
    path: creates[0]!.path,
    seen,
    operations: creates.map((create) => create.id),
  };
}
