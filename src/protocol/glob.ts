/**
 * Patterns over stream paths (section 6.2): `*` stands for one segment, `**` for any number of
 * them, none included; any other segment for itself. `%2A` in a segment is a literal asterisk.
 * Subscriptions and the rules of access use the same patterns.
 *
 * Of subscriptions Postgres does the matching, with the regular expression made here. So that a new
 * stream is not tried against every pattern, each is filed under the literal segments it begins and
 * ends with. Rules are matched here, in time that grows with pattern and path and not beyond.
 */

export interface Glob {
  readonly pattern: string;
  /** Matches `/` and the path; the same to JavaScript and to Postgres. */
  readonly regex: string;
  /** Whole literal segments that every matching path begins with, at most eight. */
  readonly prefix: string;
  /** As `prefix`, at the end; empty for a pattern without wildcards, whose prefix says it all. */
  readonly suffix: string;
}

/** As many as `penstock.path_ends` tries. */
const MOST_LITERALS = 8;
/** Each one multiplies the work of a match that fails. */
const MOST_DEEP = 8;
const LONGEST_PATTERN = 1024;

/** The glob, or a sentence that says what is wrong with it. */
export function parseGlob(text: string): Glob | string {
  if (new TextEncoder().encode(text).length > LONGEST_PATTERN) {
    return `pattern is longer than ${LONGEST_PATTERN} bytes`;
  }
  const segments = text.split("/");
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f\ufffd\\]/.test(text) || !text.isWellFormed()) {
    return "pattern holds a control character, a backslash or broken text";
  }
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    return "a segment of pattern is empty, . or ..";
  }
  if (segments[0] === "__ds") return "paths under __ds/ are reserved";
  if (segments.some((segment) => /\*/.test(segment) && segment !== "*" && segment !== "**")) {
    return "a segment of pattern is *, ** or literal; write %2A for an asterisk";
  }
  if (segments.filter((segment) => segment === "**").length > MOST_DEEP) {
    return `pattern has more than ${MOST_DEEP} segments **`;
  }
  const first = segments.findIndex(isWildcard);
  const last = segments.findLastIndex(isWildcard);
  const head = first === -1 ? segments : segments.slice(0, first);
  const tail = first === -1 ? [] : segments.slice(last + 1);
  return {
    pattern: text,
    regex: `^${segments.map(segmentRegex).join("")}$`,
    prefix: head.slice(0, MOST_LITERALS).map(literalOf).join("/"),
    suffix: tail.slice(-MOST_LITERALS).map(literalOf).join("/"),
  };
}

/**
 * The same pattern below the segments of `namespace`, which are literal. Its `**` stands for no segment
 * only where another segment is left: the namespace itself is no path below it.
 */
export function withinNamespace(namespace: string, { pattern, regex, ...glob }: Glob): Glob {
  const begun = namespace.split("/");
  const isDeep = (segment: string) => segment === "**";
  const allDeep = pattern.split("/").every(isDeep);
  const prefix = [...begun, ...glob.prefix === "" ? [] : glob.prefix.split("/")];
  const literals = begun.map((segment) => "/" + escapeRegex(segment)).join("");
  return {
    pattern: `${namespace}/${pattern}`,
    regex: `^${literals}${allDeep ? "(?=/)" : ""}${regex.slice(1)}`,
    prefix: prefix.slice(0, MOST_LITERALS).join("/"),
    suffix: glob.suffix,
  };
}

/** One segment of a pattern: the text it stands for, or one of the two wildcards. */
type GlobSegment = string | typeof ANY | typeof DEEP;
const ANY = Symbol("*");
const DEEP = Symbol("**");

/** A pattern that paths are matched with in this process. */
export interface Matcher {
  readonly pattern: string;
  readonly segments: readonly GlobSegment[];
}

/** @param pattern of a glob, as `parseGlob` took it */
export function matcherOf({ pattern }: Glob): Matcher {
  const segments = pattern.split("/").map((segment) =>
    segment === "*" ? ANY : segment === "**" ? DEEP : literalOf(segment)
  );
  return { pattern, segments };
}

/** @param path the segments of a stream's canonical path */
export function matchesPath({ segments }: Matcher, path: readonly string[]): boolean {
  let at = 0;
  let next = 0;
  // Where to go on when the segments after the last `**` do not fit: that `**` takes one more.
  let deep = -1;
  let taken = 0;
  while (next < path.length) {
    const segment = segments[at];
    if (segment === DEEP) {
      deep = at++;
      taken = next;
    } else if (segment !== undefined && (segment === ANY || segment === path[next])) {
      at++;
      next++;
    } else if (deep >= 0) {
      at = deep + 1;
      next = ++taken;
    } else {
      return false;
    }
  }
  while (segments[at] === DEEP) at++;
  return at === segments.length;
}

/** Steps of a comparison, after which `contains` gives up and says no. */
const MOST_STEPS = 20_000;

/**
 * Whether every path that `inner` matches is matched by `outer`; false also where that would take too
 * long to find out.
 *
 * A wildcard of `inner` stands, among others, for a segment that no pattern spells out, and what
 * matches that one matches every other. So both are compared as automata over the literals and this
 * one more symbol.
 */
export function contains({ segments: outer }: Matcher, { segments: inner }: Matcher): boolean {
  const start = closure(outer, new Set([0]));
  // What is left of `inner`, where `outer` may be, and whether there is a segment yet: no path is empty.
  const pending: [number, ReadonlySet<number>, boolean][] = [[0, start, false]];
  const seen = new Set<string>();
  for (let steps = 0; pending.length > 0; steps++) {
    if (steps > MOST_STEPS) return false;
    const [at, states, begun] = pending.pop()!;
    const key = `${at}:${begun}:${[...states].sort((a, b) => a - b).join(",")}`;
    if (seen.has(key)) continue;
    seen.add(key);
    if (states.size === 0) return false; // `inner` goes on to match something, and `outer` does not
    const segment = inner[at];
    if (segment === undefined) {
      if (begun && !states.has(outer.length)) return false;
    } else if (segment === DEEP) {
      pending.push([at + 1, states, begun], [at, advance(outer, states, ANY), true]);
    } else {
      pending.push([at + 1, advance(outer, states, segment), true]);
    }
  }
  return true;
}

/** The states that one more segment leads to; `ANY` is a segment that no pattern spells out. */
function advance(
  segments: readonly GlobSegment[],
  states: ReadonlySet<number>,
  segment: string | typeof ANY,
): ReadonlySet<number> {
  const next = new Set<number>();
  for (const at of states) {
    const expected = segments[at];
    if (expected === DEEP) next.add(at);
    else if (expected === ANY || (expected !== undefined && expected === segment)) next.add(at + 1);
  }
  return closure(segments, next);
}

/** A `**` may stand for no segment at all. */
function closure(segments: readonly GlobSegment[], states: Set<number>): ReadonlySet<number> {
  for (const at of states) if (segments[at] === DEEP) states.add(at + 1);
  return states;
}

function segmentRegex(segment: string): string {
  if (segment === "*") return "/[^/]+";
  if (segment === "**") return "(?:/[^/]+)*";
  return "/" + escapeRegex(literalOf(segment));
}

function escapeRegex(text: string): string {
  return text.replace(/[.*+?^${}()|[\]]/g, "\\$&");
}

export function isWildcard(segment: string): boolean {
  return segment === "*" || segment === "**";
}

/** The text that a segment without wildcards stands for. */
export function literalOf(segment: string): string {
  return segment.replace(/%2a/gi, "*");
}
