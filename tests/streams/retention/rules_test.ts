/** The server's rules of retention, and the header. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatRetention, parseRetention } from "../../../src/protocol/retention.ts";
import { parseRetentionRules, retentionOf } from "../../../src/streams/retention/rules.ts";

Deno.test("a rule has a pattern and limits with units, and the first that matches counts", () => {
  const rules = parseRetentionRules(
    "logs/**: age=7d, bytes=10GiB; logs/*: age=1m;chat/*:age=90 ; a:b: bytes=1KiB",
  );
  const of = (path: string) => retentionOf(rules, { path, retention: null });
  assert.deepEqual(of("logs/a"), { ageSeconds: 604_800, bytes: 10 * 2 ** 30 });
  assert.deepEqual(of("chat/1"), { ageSeconds: 90, bytes: null });
  assert.deepEqual(of("a:b"), { ageSeconds: null, bytes: 1024 });
  assert.equal(of("other"), null);
  const own = { ageSeconds: 5, bytes: null };
  assert.equal(retentionOf(rules, { path: "logs/a", retention: own }), own);
  assert.deepEqual(parseRetentionRules(" ; "), []);
});

Deno.test("unknown limits, units and patterns are refused with words", () => {
  for (
    const bad of [
      ...["logs/**", "logs/**:", "logs/**: age", "logs/**: age=7w", "logs/**: age=7, age=8"],
      ...["logs/**: bytes=1kb", "logs/**: bytes=0", "logs/**: size=1", "l*gs: age=1d"],
      ...["logs/**: age=999999d", "__ds/**: age=1d", "a: bytes=999999TiB"],
      ...["a: age=7constructor", "a: bytes=1toString", "a: age=-1", "a: age=1.5d", "a: age="],
    ]
  ) {
    assert.throws(() => parseRetentionRules(bad), Error, bad);
  }
});

Deno.test("what formatRetention writes, parseRetention reads", () => {
  const limit = (max: number) => fc.option(fc.integer({ min: 1, max }));
  fc.assert(fc.property(limit(3_155_760_000), limit(999_999_999_999_999), (ageSeconds, bytes) => {
    fc.pre(ageSeconds !== null || bytes !== null);
    const retention = { ageSeconds, bytes };
    assert.deepEqual(parseRetention(formatRetention(retention)), { value: retention });
  }));
  assert.deepEqual(parseRetention(null), { value: null });
});
