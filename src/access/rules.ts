/**
 * Rules of access: `read,append:chat/**` allows operations on the streams that a pattern matches.
 * Patterns are those of subscriptions. A right exists only where a rule gives it; no rule takes one away.
 */
import { contains, type Matcher, matcherOf, matchesPath, parseGlob } from "../protocol/glob.ts";
import { type Namespace, storedName } from "./namespaces.ts";

/**
 * What a rule can allow. Closing a stream is `append`; a fork is `create`, and `read` of its source.
 * The pattern of `subscribe` is matched with the subscription's id.
 */
export const OPERATIONS = [
  "read",
  "append",
  "create",
  "delete",
  "subscribe",
  "list",
  "admin",
] as const;
export type Operation = typeof OPERATIONS[number];

export interface Rule {
  readonly operations: ReadonlySet<Operation>;
  readonly matcher: Matcher;
}

/** Rules of one token, and bytes of their text. */
const MOST_RULES = 64;
const MOST_SEGMENTS = 64;

/** The rule, or a sentence that says what is wrong with it. */
export function parseRule(text: string): Rule | string {
  const colon = text.indexOf(":");
  if (colon < 0) return `a rule is operations:pattern, such as read,append:chat/**`;
  const names = text.slice(0, colon).split(",");
  const unknown = names.find((name) => !(OPERATIONS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    return `"${unknown.slice(0, 40)}" is no operation: there are ${OPERATIONS.join(", ")}`;
  }
  const glob = parseGlob(text.slice(colon + 1));
  if (typeof glob === "string") return glob;
  const matcher = matcherOf(glob);
  if (matcher.segments.length > MOST_SEGMENTS) {
    return `pattern has more than ${MOST_SEGMENTS} segments`;
  }
  return { operations: new Set(names as Operation[]), matcher };
}

/** The rules, or a sentence that says what is wrong with one of them. */
export function parseRules(texts: readonly string[]): readonly Rule[] | string {
  if (texts.length > MOST_RULES) return `there are more than ${MOST_RULES} rules`;
  const rules: Rule[] = [];
  for (const text of texts) {
    const rule = parseRule(text);
    if (typeof rule === "string") return rule;
    rules.push(rule);
  }
  return rules;
}

/** As a JSON array in the database. A rule that only a newer Penstock can read allows nothing here. */
export function parseStoredRules(text: string): readonly Rule[] {
  return (JSON.parse(text) as string[]).flatMap((rule) => {
    const rules = parseRules([rule]);
    return typeof rules === "string" ? [] : rules;
  });
}

/** Rules as one text has them: with spaces between. A pattern with a space needs a list. */
export function splitRules(text: string): string[] {
  return text.split(/\s+/).filter((rule) => rule !== "");
}

/** As `parseRule` reads it, with the operations in their own order. */
export function textOfRule({ operations, matcher }: Rule): string {
  return `${OPERATIONS.filter((name) => operations.has(name)).join(",")}:${matcher.pattern}`;
}

/** @param path a stream's canonical path, or a subscription's id */
export function allows(rules: readonly Rule[], operation: Operation, path: string): boolean {
  let segments: string[] | undefined;
  for (const rule of rules) {
    if (!rule.operations.has(operation)) continue;
    if (matchesPath(rule.matcher, segments ??= path.split("/"))) return true;
  }
  return false;
}

/** Whether any path at all may be used so. */
export function allowsSome(rules: readonly Rule[], operation: Operation): boolean {
  return rules.some((rule) => rule.operations.has(operation));
}

/** Whether one rule allows the operation on every path that the pattern matches. */
export function allowsPattern(
  rules: readonly Rule[],
  operation: Operation,
  pattern: Matcher,
): boolean {
  return rules.some((rule) => rule.operations.has(operation) && contains(rule.matcher, pattern));
}

/** The same rules as somebody outside of this namespace would have to say them. */
export function rulesWithin(namespace: Namespace, rules: readonly Rule[]): readonly Rule[] {
  if (namespace === "") return rules;
  return rules.map(({ operations, matcher }) => ({
    operations,
    matcher: {
      pattern: storedName(namespace, matcher.pattern),
      segments: [...namespace.split("/"), ...matcher.segments],
    },
  }));
}

/** The one rule of a signed URL: nothing in the path is a wildcard. */
export function ruleForPath(operation: Operation, path: string): Rule {
  return {
    operations: new Set([operation]),
    matcher: { pattern: path, segments: path.split("/") },
  };
}

/**
 * Whether `inner` gives no right that `outer` does not give: for each operation of each rule, one rule
 * of `outer` covers its whole pattern.
 */
export function covers(outer: readonly Rule[], inner: readonly Rule[]): boolean {
  return inner.every(({ operations, matcher }) =>
    [...operations].every((operation) => allowsPattern(outer, operation, matcher))
  );
}
