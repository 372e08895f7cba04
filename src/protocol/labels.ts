/** Labels of streams, an extension: `Stream-Label-<name>: value`, see docs/extensions.md. */
import { invalid, type Result } from "../errors.ts";

/** Names and values, in the order of the names. */
export type Labels = Readonly<Record<string, string>>;

/** In lower case, as runtimes give the names of headers. */
const PREFIX = "stream-label-";
export const MOST_LABELS = 16;
const LONGEST_VALUE = 256;
const NAME = /^[a-z0-9-]{1,64}$/;
const VALUE = /^[\x20-\x7e]*$/;

/** The labels of a PUT; null: none. */
export function parseLabels(headers: Headers): Result<Labels | null> {
  const found: [string, string][] = [];
  for (const [header, value] of headers) {
    if (!header.startsWith(PREFIX)) continue;
    const name = header.slice(PREFIX.length);
    const wrong = faultOf(name, value);
    if (wrong !== null) return { refusal: invalid("INVALID_LABEL", wrong) };
    found.push([name, value]);
  }
  if (found.length === 0) return { value: null };
  if (found.length > MOST_LABELS) {
    return {
      refusal: invalid("INVALID_LABEL", `a stream has at most ${MOST_LABELS} labels`),
    };
  }
  return { value: Object.fromEntries(found.sort(([a], [b]) => a < b ? -1 : 1)) };
}

/** What is wrong with a label, as a sentence, or null. */
export function faultOf(name: string, value: string): string | null {
  if (!NAME.test(name)) return "a label's name is 1 to 64 characters of a-z, 0-9 and -";
  if (value.length <= LONGEST_VALUE && VALUE.test(value)) return null;
  return `a label's value is at most ${LONGEST_VALUE} printable ASCII characters`;
}

/** The headers that say the labels of a stream. */
export function labelHeaders(labels: Labels): [string, string][] {
  return Object.entries(labels).map(([name, value]) => [`Stream-Label-${name}`, value]);
}

/** Whether the header of that name, in lower case, gives a label. */
export function isLabelHeader(name: string): boolean {
  return name.startsWith(PREFIX) && NAME.test(name.slice(PREFIX.length));
}

export function sameLabels(one: Labels | null, other: Labels | null): boolean {
  const [ones, others] = [Object.entries(one ?? {}), Object.entries(other ?? {})];
  return ones.length === others.length && ones.every(([name, value]) => other?.[name] === value);
}
