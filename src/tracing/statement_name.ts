/** What a span says of a statement: never its text, which no one has checked for what may be in it. */

/** Statements are constants of the sources; those that are put together come in a few variants. */
const MOST_NAMES = 1000;
const names = new Map<string, string>();

/** The function that it calls, the table that it is of, or its first word. */
export function statementName(statement: string): string {
  const known = names.get(statement);
  if (known !== undefined) return known;
  const name = /\bpenstock\.(\w+)/.exec(statement)?.[1] ?? /\w+/.exec(statement)?.[0] ?? "";
  if (names.size < MOST_NAMES) names.set(statement, name.toLowerCase());
  return name.toLowerCase();
}
