/** What the page offers: the server decides again on each request. */
import { allows, allowsSome, type Operation, parseRules, type Rule } from "../../access/rules.ts";
import { session } from "./request.ts";

const WRITING: readonly Operation[] = ["append", "create", "delete"];

/** Whether the token may do this to a stream, and the page may offer it. */
export function may(operation: Operation, path: string): boolean {
  const rules = currentRules(operation);
  return rules === "all" || (rules !== null && allows(rules, operation, path));
}

/** Whether the token may do this to some stream. */
export function maySome(operation: Operation): boolean {
  const rules = currentRules(operation);
  return rules === "all" || (rules !== null && allowsSome(rules, operation));
}

function currentRules(operation: Operation): readonly Rule[] | "all" | null {
  const { value } = session;
  if (value === null) return null;
  if (value.mode === "read-only" && WRITING.includes(operation)) return null;
  if (value.principal === null) return "all";
  const rules = parseRules(value.principal.rules);
  return typeof rules === "string" ? null : rules;
}
