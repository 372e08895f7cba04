/**
 * Patterns over stream paths (section 6.2): `*` stands for one segment, `**` for any number of
 * them, none included; any other segment for itself. `%2A` in a segment is a literal asterisk.
 *
 * Postgres does the matching, with the regular expression made here. So that a new stream is not
 * tried against every pattern, each is filed under the literal segments it begins and ends with.
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
  const isWild = (segment: string) => segment === "*" || segment === "**";
  const first = segments.findIndex(isWild);
  const last = segments.findLastIndex(isWild);
  const head = first === -1 ? segments : segments.slice(0, first);
  const tail = first === -1 ? [] : segments.slice(last + 1);
  return {
    pattern: text,
    regex: `^${segments.map(segmentRegex).join("")}$`,
    prefix: head.slice(0, MOST_LITERALS).map(literal).join("/"),
    suffix: tail.slice(-MOST_LITERALS).map(literal).join("/"),
  };
}

function segmentRegex(segment: string): string {
  if (segment === "*") return "/[^/]+";
  if (segment === "**") return "(?:/[^/]+)*";
  return "/" + literal(segment).replace(/[.*+?^${}()|[\]]/g, "\\$&");
}

function literal(segment: string): string {
  return segment.replace(/%2a/gi, "*");
}
