/** Holds src/ to its words, and its functions to a length that can be read at once. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname ?? ".", "..");
const MAX_FUNCTION_LINES = 60;

interface RetiredWord {
  /** Matched against each line as `wordsOf` makes it, or as it is written if `raw`. */
  readonly pattern: RegExp;
  readonly raw?: boolean;
  /** The files in which the word meant something of its own; elsewhere it is plain English. */
  readonly within?: RegExp;
  readonly say: string;
}

/** One meaning per word: docs/architecture.md has the glossary. */
const RETIRED: readonly RetiredWord[] = [
  {
    pattern: /\blook(?:s|ed|ing)?\b(?! up\b| like\b)/,
    say: "load state, poll, reconcile or refresh",
  },
  { pattern: /\bfloat(?:s|ing)\b(?! point)/, say: "unconditional append" },
  { pattern: /\b(?:moved|shifted) (?:write|append)/, say: "rebased" },
  { pattern: /\b(?:shifted|takers?)\b/, say: "rebased; waiter, reference" },
  { pattern: /\b(?:class|new|: ) ?Holds\b/, raw: true, say: "ReferenceCounts" },
  { pattern: /\bReferenceCounts (?:a|an|the|what|it)\b/, raw: true, say: "holds" },
  { pattern: /\blanes?\b/, say: "semaphore, concurrency limit" },
  {
    pattern: /#(?:leave|left|leaving)\b/,
    raw: true,
    within: /streams/,
    say: "flush, commits started",
  },
  { pattern: /\b(?:going|goes|gone) away\b|\bnode is leaving\b/, say: "draining, disconnected" },
  {
    pattern: /[#.]listed\b|\blisted[:;]/,
    raw: true,
    within: /streams\/append/,
    say: "enqueued",
  },
  {
    pattern: /\b(?:parked|parks?|patience)\b/,
    within: /streams/,
    say: "held for reordering; reorder timeout",
  },
  { pattern: /\bknow\(|\bforget\w*\(/, raw: true, say: "set, invalidate" },
  { pattern: /\bforg[eo]t(?:s|ten)?\b/, within: /streams|storage/, say: "invalidate, drop, evict" },
  { pattern: /\bbreathes?\b/, say: "yield to the event loop" },
  { pattern: /\bsparse\b/, say: "low concurrency" },
  { pattern: /\bslid(?:e|es|ing)?\b/, say: "renew the TTL" },
  { pattern: /\beras?\b/, say: "cache epoch" },
  { pattern: /\buse order\b/, say: "LRU list" },
  { pattern: /\brecent bytes\b/, say: "segment cache" },
  { pattern: /\bcold\b/, say: "catch-up, not cached" },
  { pattern: /\badopt(?:s|ed|ing)?\b/, say: "insert without copying" },
  { pattern: /\bkept answers?\b|\brecall(?:s|ed)?\b/, say: "response cache; get" },
  {
    pattern: /\bsendings?\b(?= under way)|\bpage bodies\b/,
    say: "in-flight response; page stream",
  },
  { pattern: /\b(?:sightings?|news)\b/, say: "snapshot, change" },
  {
    pattern: /\b(?:told|tells?(?! \w+ apart)|standing)\b/,
    within: /streams\/follow|http\/sse/,
    say: "notify, status",
  },
  { pattern: /\bhints?\b/, within: /streams|storage/, say: "notification" },
  { pattern: /[#.]alone\b|\bisAlone\b|\bis alone\b/, raw: true, say: "has no peers" },
  {
    pattern: /\b(?:deaf|neighbours?)\b/,
    within: /streams|storage/,
    say: "missed notifications; peer",
  },
  { pattern: /\bwithout a word\b|\bsilent(?:ly)?\b/, say: "half-open connection, idle" },
  { pattern: /\bno answer\b(?= error)|\bNoAnswer\b/i, say: "statement timeout" },
  { pattern: /\b(?:suspects?|suspected|left behind)\b/, say: "invalidate; stale primary" },
  { pattern: /\b(?:living|dead)\b/, say: "active; deleted, half-open" },
  { pattern: /\blineages?\b/, say: "fork chain" },
  { pattern: /\bpieces?\b/, within: /streams/, say: "segment, part" },
  { pattern: /\b(?:upkeep|audit|audits|auditor)\b/, say: "maintenance; reconciler" },
  { pattern: /\bfirst steps\b/, say: "quick start" },
  { pattern: /\btried\b(?! again)/, say: "attempted, measured" },
  { pattern: /\bmend(?:s|ed|ing)?\b/, say: "fix, repair" },
  { pattern: /\bin words\b/, say: "as text" },
  { pattern: /\b(?:who|whom|whoever|whichever one)\b/, say: "a caller that, a client that" },
];

/** Right English, or another program's name: the part of the line that is taken out first. */
const ALLOWED: readonly RegExp[] = [
  /"silent"|`silent`|\|silent\b|; silent logs/g, // a log level
  /\bdead ?lock\w*/gi, // PostgreSQL's word
  /\bn_dead_tup\b|\bdead_(?:bytes|rows)\b|\bdead (?:rows|tuples)\b/g, // PostgreSQL's: what a vacuum removes
  /\bhint(?=: string \| undefined;)|\bthis\.hint\b/g, // a field of PostgreSQL's errors
  /[Aa]nyone who\b/g, // a person
];

/** A line as plain words: `#lookAll(recent_bytes)` is `look all recent bytes`. */
function wordsOf(line: string): string {
  return line
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/[^A-Za-z0-9'-]+/g, " ")
    .toLowerCase();
}

/** The retired words of one line, each with what to say for it. */
function retiredWordsOf(line: string, path: string): string[] {
  const text = ALLOWED.reduce((rest, allowed) => rest.replaceAll(allowed, ""), line);
  const words = wordsOf(text);
  return RETIRED.flatMap(({ pattern, raw, within, say }) => {
    if (within?.test(path) === false) return [];
    const match = pattern.exec(raw ? text : words);
    return match === null ? [] : [`"${match[0]}": say ${say}`];
  });
}

interface FoundFunction {
  readonly line: number;
  readonly length: number;
}

const BLOCK =
  /^\s*(?:\} )?(?:if|else|for|while|do|switch|try|catch|finally|return|class|interface)\b/;
const FUNCTION =
  /\bfunction\b|=> \{$|^\s*(?:(?:static|async|override|get|set) )*\*?[#\w$]+(?:<.*>)?\(/;

/** The functions of a source that `deno fmt` has formatted: indentation says where each ends. */
function functionsOf(source: string): FoundFunction[] {
  const lines = source.split("\n");
  const indentOf = (line: string) => line.length - line.trimStart().length;
  return lines.flatMap((line, end) => {
    if (!line.endsWith("{")) return [];
    const indent = indentOf(line);
    let start = end;
    // `): Promise<void> {` ends a head of several lines.
    if (/^\s*[)}\]]/.test(line)) {
      do start--; while (start > 0 && (lines[start] === "" || indentOf(lines[start]!) > indent));
    }
    const head = lines[start]!;
    if (BLOCK.test(head) || !(FUNCTION.test(head) || FUNCTION.test(line))) return [];
    let last = end + 1;
    while (
      last < lines.length && !(indentOf(lines[last]!) === indent && /^\s*\}/.test(lines[last]!))
    ) {
      last++;
    }
    return [{ line: start + 1, length: last - start + 1 }];
  });
}

const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .map((name) => `src/${name.replaceAll("\\", "/")}`)
  .filter((name) => /\.(?:ts|sql)$/.test(name))
  .sort();
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

Deno.test("no source uses a retired word", () => {
  const found = sources.flatMap((path) =>
    read(path).split("\n").flatMap((line, at) =>
      retiredWordsOf(line, path).map((word) => `${path}:${at + 1}: ${word}`)
    )
  );
  assert.deepEqual(found, []);
});

Deno.test("the check of words sees identifiers and comments, and lets plain English pass", () => {
  for (const line of ["this.#lookAll();", "new RecentBytes(1)", "// whoever asks", "slide_ttl"]) {
    assert.equal(retiredWordsOf(line, "src/streams/a.ts").length, 1, line);
  }
  for (const line of ["dnsLookup(host)", "// It is looked up by path.", 'level === "silent"']) {
    assert.deepEqual(retiredWordsOf(line, "src/streams/a.ts"), [], line);
  }
});

Deno.test(`no function is longer than ${MAX_FUNCTION_LINES} lines`, () => {
  const long = sources.filter((path) => path.endsWith(".ts")).flatMap((path) =>
    functionsOf(read(path))
      .filter(({ length }) => length > MAX_FUNCTION_LINES)
      .map(({ line, length }) => `${path}:${line}: ${length} lines`)
  );
  assert.deepEqual(long, []);
});

Deno.test("the check of lengths sees functions, methods and arrows, with heads of several lines", () => {
  const source = `
export async function a(
  b: number,
): Promise<void> {
  if (b) {
    c();
  }
}
class D {
  async #e(f: () => void): Promise<void> {
    const g = () => {
      f();
    };
  }
}
`;
  assert.deepEqual(functionsOf(source), [
    { line: 2, length: 7 },
    { line: 10, length: 5 },
    { line: 11, length: 3 },
  ]);
});
