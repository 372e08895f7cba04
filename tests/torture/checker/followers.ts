/** Followers: each piece begins where the last one ended, and in the end they have seen it all. */
import type { History, Read } from "../history.ts";
import type { Rule, Violation } from "./violation.ts";

export function checkFollowers(history: History): Violation[] {
  const violations: Violation[] = [];
  const last = new Map<string, Read>();
  /** Where a follower was told to begin again, because what came next had been dropped. */
  const restarts = new Map<string, number>();
  const report = (rule: Rule, path: string, seen: string, operations: number[]) =>
    violations.push({ rule, path, seen, operations });
  for (const operation of history.operations) {
    if (operation.kind !== "read" || operation.follower === null) continue;
    if (operation.outcome === "refused" && operation.earliest !== undefined) {
      restarts.set(operation.follower, operation.earliest);
    }
    if (operation.outcome !== "ok" || operation.end === null) continue;
    const before = last.get(operation.follower);
    last.set(operation.follower, operation);
    const restart = restarts.get(operation.follower);
    restarts.delete(operation.follower);
    if (before === undefined || before.end === operation.start) continue;
    if (restart === operation.start && restart > before.end!) continue;
    const rule = operation.start > before.end! ? "follower's gap" : "follower's duplicate";
    const seen = `${operation.follower} was at ${before.end} and went on at ${operation.start}`;
    report(rule, operation.path, seen, [before.id, operation.id]);
  }
  for (const { follower, path, position, tail } of history.followerEnds) {
    // Further is right: an append without an answer may have taken place after the last HEAD.
    if (position >= tail) continue;
    const operations = last.has(follower) ? [last.get(follower)!.id] : [];
    const seen = `${follower} got to ${position}, the stream to ${tail}`;
    report("follower left behind", path, seen, operations);
  }
  return violations;
}
