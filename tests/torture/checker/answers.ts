/** Answers that no state of a stream explains, whatever was going on. */
import type { History, Operation } from "../history.ts";
import type { Violation } from "./violation.ts";

/** What a client says that has waited as long as it does. */
export const NO_ANSWER = "no answer in";
/** A connection that a fault has broken is noticed by the next request on it, up to this late. */
const LASTING_MS = 30_000;

/** Refusals that these clients, which never ask for anything else, may be given. */
const EXPLAINED: Record<Operation["kind"], readonly number[]> = {
  create: [200, 201, 404, 409, 410, 429, 503],
  append: [200, 204, 403, 404, 409, 410, 429, 503],
  delete: [204, 404, 410, 429, 503],
  trim: [200, 404, 410, 429, 503],
  head: [200, 404, 410, 429, 503],
  read: [200, 204, 404, 410, 429, 503],
};

/** What an append's 409 may be for: theirs is the right content type. */
const EXPLAINED_409 = ["STREAM_CLOSED", "SEQUENCE_GAP", "SEQUENCE_REGRESSION"];

export function checkAnswers(history: History): Violation[] {
  return [...unexpected(history), ...unanswered(history), ...unserved(history)];
}

/** Whatever PostgreSQL does, the nodes answer: silence is for when they, or the way to them, fail. */
function unanswered({ operations, faults }: History): Violation[] {
  const excuses = faults.filter(({ part }) => part === "node" || part === "clients");
  return operations.filter((operation) =>
    operation.status === null && operation.reason?.startsWith(NO_ANSWER) &&
    !excuses.some(({ from, to }) =>
      from <= operation.completed && to >= operation.invoked - LASTING_MS
    )
  ).map((operation) => ({
    rule: "no answer in time",
    path: operation.path,
    seen: `${operation.kind} at node ${operation.node}: ${operation.reason}`,
    operations: [operation.id],
  }));
}

/** In a recovery window every request has to be answered. */
function unserved({ operations, recoveryWindows }: History): Violation[] {
  return operations.filter((operation) =>
    operation.outcome === "unknown" &&
    recoveryWindows.some(({ from, to }) => from <= operation.invoked && operation.completed <= to)
  ).map((operation) => ({
    rule: "no service in the recovery window",
    path: operation.path,
    seen: `${operation.kind} at node ${operation.node}: ${operation.status} ${operation.reason}`,
    operations: [operation.id],
  }));
}

function unexpected(history: History): Violation[] {
  return history.operations.flatMap((operation) => {
    const seen = whatIsWrong(operation);
    return seen === null
      ? []
      : [{ rule: "unexpected answer", path: operation.path, seen, operations: [operation.id] }];
  });
}

function whatIsWrong({ kind, status, reason, retryAfter }: Operation): string | null {
  if (status === null) return null;
  if (!EXPLAINED[kind].includes(status)) return `${kind} was answered ${status} (${reason})`;
  if ((status === 503 || status === 429) && !retryAfter) return `${status} without Retry-After`;
  if (kind === "append" && status === 409 && !EXPLAINED_409.includes(reason ?? "")) {
    return `append was answered 409 (${reason})`;
  }
  return null;
}
