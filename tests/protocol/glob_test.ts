/** Patterns: what they match, by a plain matcher, by JavaScript and by Postgres alike. */
import assert from "node:assert/strict";
import fc from "fast-check";
import postgres from "postgres";
import { contains, type Glob, matcherOf, matchesPath, parseGlob } from "../../src/protocol/glob.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../support/postgres.ts";

function glob(pattern: string): Glob {
  const parsed = parseGlob(pattern);
  assert.ok(typeof parsed !== "string", `${pattern}: ${String(parsed)}`);
  return parsed;
}

function matches(pattern: string, path: string): boolean {
  return new RegExp(glob(pattern).regex, "u").test("/" + path);
}

/** The rule as section 6.2 words it. */
function expected(pattern: string[], path: string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return path.length === 0;
  if (first === "**") {
    return expected(rest, path) || (path.length > 0 && expected(pattern, path.slice(1)));
  }
  if (path.length === 0) return false;
  return (first === "*" || first === path[0]) && expected(rest, path.slice(1));
}

Deno.test("* stands for one segment, ** for any number, none included", () => {
  const cases: [string, string[], string[]][] = [
    ["events/*", ["events/a", "events/*"], ["events", "events/a/b", "eventsx/a", "x/events/a"]],
    ["events/**", ["events", "events/a", "events/a/b"], ["event", "eventsx"]],
    ["**", ["a", "a/b/c"], []],
    ["*", ["a"], ["a/b"]],
    ["**/done", ["done", "a/done", "a/b/done"], ["done/a", "undone"]],
    ["a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a", "z", "a/zz"]],
    ["a/*/**", ["a/b", "a/b/c"], ["a"]],
    ["a.b/*", ["a.b/c"], ["aXb/c"]],
    ["a+(b)[c]{1}|^$/*", ["a+(b)[c]{1}|^$/x"], ["aa"]],
    ["a/%2Ab", ["a/*b"], ["a/xb"]],
    ["exact/path", ["exact/path"], ["exact", "exact/path/x"]],
    ["ü/*", ["ü/😀"], ["u/x"]],
  ];
  for (const [pattern, yes, no] of cases) {
    for (const path of yes) assert.ok(matches(pattern, path), `${pattern} ${path}`);
    for (const path of no) assert.ok(!matches(pattern, path), `${pattern} ${path}`);
  }
});

Deno.test("parseGlob refuses what is no pattern, with a sentence", () => {
  const wrong = ["", "/", "a//b", "a/", "../a", "a/./b", "__ds/*", "a*", "a/*b", "***", "a\\b"];
  const deep = Array(9).fill("**").join("/a/");
  for (const pattern of [...wrong, "a\x00", "a\ud800", "x".repeat(1025), deep]) {
    assert.equal(typeof parseGlob(pattern), "string", JSON.stringify(pattern));
  }
});

Deno.test("a pattern is filed under what it begins and ends with", () => {
  const filed = (pattern: string) => [glob(pattern).prefix, glob(pattern).suffix];
  assert.deepEqual(filed("a/b/*"), ["a/b", ""]);
  assert.deepEqual(filed("*/a/b"), ["", "a/b"]);
  assert.deepEqual(filed("a/*/b/**/c"), ["a", "c"]);
  assert.deepEqual(filed("**"), ["", ""]);
  assert.deepEqual(filed("a/b"), ["a/b", ""]);
  assert.deepEqual(filed("1/2/3/4/5/6/7/8/9/*"), ["1/2/3/4/5/6/7/8", ""]);
  assert.deepEqual(filed("*/1/2/3/4/5/6/7/8/9"), ["", "2/3/4/5/6/7/8/9"]);
});

const segment = fc.constantFrom("a", "b", "c", "a.b", "é", "x+");
const path = fc.array(segment, { minLength: 1, maxLength: 11 });
const pattern = fc.array(fc.oneof(segment, fc.constantFrom("*", "**")), {
  minLength: 1,
  maxLength: 8,
});

Deno.test("JavaScript matches as the rule says", () => {
  fc.assert(
    fc.property(pattern, path, (globs, segments) => {
      const text = segments.join("/");
      assert.equal(matches(globs.join("/"), text), expected(globs, segments));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("Postgres finds by prefix and suffix what the rule says, and nothing else", async () => {
  const fresh = await freshDatabase();
  const database = await openPostgres({ url: fresh.url, connections: 2, timeoutMs: 20_000 });
  await migrate(database);
  await database.close();
  const sql = postgres(fresh.url, { max: 1, onnotice: () => {} });
  try {
    const cases = fc.sample(fc.tuple(pattern, path), 3000);
    const rows = cases.map(([globs, segments], index) => {
      const { regex, prefix, suffix } = glob(globs.join("/"));
      return { index, path: segments.join("/"), regex, prefix, suffix };
    });
    const found = await sql<{ index: number }[]>`
      select (r->>'index')::int as index from jsonb_array_elements(${sql.json(rows)}) r
      where '/' || (r->>'path') ~ (r->>'regex') and exists (
        select from penstock.path_ends(r->>'path') e
        where e.prefix = r->>'prefix' and e.suffix = r->>'suffix')`;
    const matched = new Set(found.map((row) => row.index));
    cases.forEach(([globs, segments], index) => {
      const what = `${globs.join("/")} on ${segments.join("/")}`;
      assert.equal(matched.has(index), expected(globs, segments), what);
    });
    assert.ok(matched.size > 100);
  } finally {
    await sql.end();
    await fresh.drop();
  }
});

Deno.test("a matcher says of every path what the rule says", () => {
  fc.assert(
    fc.property(pattern, path, (globs, segments) => {
      const matcher = matcherOf(glob(globs.join("/")));
      assert.equal(matchesPath(matcher, segments), expected(globs, segments));
    }),
    { numRuns: 5000 },
  );
});

Deno.test("a pattern within another matches nothing that the other does not", () => {
  const short = fc.array(fc.constantFrom("a", "b", "*", "**"), { minLength: 1, maxLength: 5 });
  // Every path of up to seven segments over both literals and one that no pattern names: two
  // patterns of five segments that differ at all differ on one of these.
  const paths: string[][] = [[]];
  for (let at = 0; paths[at]!.length < 7; at++) {
    for (const next of ["a", "b", "z"]) paths.push([...paths[at]!, next]);
  }
  paths.shift();
  let within = 0;
  fc.assert(
    fc.property(short, short, (outer, inner) => {
      const [one, other] = [outer, inner].map((globs) => matcherOf(glob(globs.join("/"))));
      const every = paths.every((path) => !matchesPath(other!, path) || matchesPath(one!, path));
      assert.equal(contains(one!, other!), every, `${outer.join("/")} and ${inner.join("/")}`);
      if (every) within++;
    }),
    { numRuns: 400 },
  );
  assert.ok(within > 20, String(within));
});

Deno.test("patterns with every ** there may be are compared and matched in bounded time", () => {
  const hostile = matcherOf(glob(Array(8).fill("**").join("/a/")));
  const begun = performance.now();
  for (let turn = 0; turn < 100; turn++) {
    assert.equal(matchesPath(hostile, [...Array(63).fill("a"), "b", "c"]), true);
    assert.equal(matchesPath(matcherOf(glob("**/a/**/a/**/b")), Array(64).fill("a")), false);
  }
  contains(hostile, matcherOf(glob(Array(8).fill("**").join("/*/"))));
  assert.ok(performance.now() - begun < 2000);
});
