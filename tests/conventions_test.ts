/** Rules of the tests themselves: how they wait, and what they tell the runner. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sources } from "../scripts/check.ts";
import { needsOf } from "../scripts/test/test_file.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");
const testFiles = sources("tests").filter((name) => name.endsWith("_test.ts"));
const read = (name: string) => readFileSync(join(ROOT, name), "utf8");

/** A promise of a timer, a timer that is awaited, or a function that makes such a promise. */
const SLEEP =
  /\bnew Promise\b.*\bsetTimeout\s*\(|\bsetTimeout\s*\(\s*resolve|timers\/promises|\bfunction (?:sleep|pause|delay)\s*\(\s*ms\b/;

Deno.test("no test sleeps, except by elapse(), which says why", () => {
  const sleeping = testFiles.flatMap((name) =>
    read(name).split("\n").flatMap((line, at) => SLEEP.test(line) ? [`${name}:${at + 1}`] : [])
  ).filter((place) => !place.startsWith("tests/conventions_test.ts"));
  assert.deepEqual(sleeping, [], "wait for an event with within() or eventually()");
  assert.ok(SLEEP.test("await new Promise((resolve) => setTimeout(resolve, 5));"));
  assert.ok(!SLEEP.test("await elapse(5, 'because');"));
});

Deno.test("every marker of a test file is one that the runner knows, with a reason", () => {
  for (const name of testFiles) assert.doesNotThrow(() => needsOf(read(name)), name);
});
