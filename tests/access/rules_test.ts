/** Rules: what they allow, what one set of them covers, and what a claim's value can do. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { fillTemplate, parseRuleTemplate } from "../../src/access/rule_templates.ts";
import {
  allows,
  allowsPattern,
  covers,
  type Operation,
  OPERATIONS,
  parseRule,
  parseRules,
  type Rule,
  textOfRule,
} from "../../src/access/rules.ts";

function rules(...texts: string[]): readonly Rule[] {
  const parsed = parseRules(texts);
  assert.ok(typeof parsed !== "string", String(parsed));
  return parsed;
}

const operations = fc.uniqueArray(fc.constantFrom(...OPERATIONS), { minLength: 1, maxLength: 3 });
const pattern = fc.array(fc.constantFrom("a", "b", "*", "**"), { minLength: 1, maxLength: 4 });
const path = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 5 });
const rule = fc.tuple(operations, pattern).map(([names, globs]) =>
  `${names.join(",")}:${globs.join("/")}`
);
const ruleTexts = fc.array(rule, { maxLength: 3 });

/** What may stand in a narrower pattern for a segment of a wider one. */
function within(segment: string): fc.Arbitrary<string> {
  if (segment === "**") return fc.constantFrom("**", "*/**", "a/*", "b");
  return segment === "*" ? fc.constantFrom("*", "a", "b") : fc.constant(segment);
}

/** A rule that gives less than another one, or as much. */
function narrowed(text: string): fc.Arbitrary<string> {
  const [names, globs] = text.split(":") as [string, string];
  const kept = fc.subarray(names.split(","), { minLength: 1 });
  return fc.tuple(kept, ...globs.split("/").map(within)).map(([operations, ...segments]) =>
    `${operations.join(",")}:${segments.join("/")}`
  );
}

/** Two sets of rules; without a relation one of a hundred pairs covers the other, so half have one. */
const someTwo = ruleTexts.chain((outer) => {
  const fewer = fc.tuple(...outer.map(narrowed)).chain((texts) => fc.subarray(texts));
  return fc.oneof(ruleTexts, fewer).map((inner) => [rules(...outer), rules(...inner)] as const);
});

Deno.test("a rule allows its operations on the paths of its pattern, and nothing else", () => {
  const some = rules("read,append:chat/**", "create:chat/*");
  const allowed = (operation: Operation, path: string) => allows(some, operation, path);
  assert.ok(
    allowed("read", "chat/a/b") && allowed("append", "chat") && allowed("create", "chat/a"),
  );
  assert.ok(
    !allowed("create", "chat/a/b") && !allowed("read", "chats") && !allowed("delete", "chat"),
  );
  assert.ok(!allows([], "read", "chat"));
});

Deno.test("what is no rule is refused with a sentence", () => {
  const wrong = [
    "",
    "read",
    "read:",
    ":a",
    "write:a",
    "read,:a",
    "read:a*",
    "read:__ds/x",
    "READ:a",
  ];
  for (const text of [...wrong, "read:../a", `read:${"a/".repeat(64)}a`]) {
    assert.equal(typeof parseRule(text), "string", text);
  }
  assert.equal(typeof parseRules(Array(65).fill("read:a")), "string");
});

Deno.test("a rule's text is read as the same rule", () => {
  fc.assert(fc.property(rule, (text) => {
    const [parsed] = rules(text);
    assert.equal(textOfRule(rules(textOfRule(parsed!))[0]!), textOfRule(parsed!));
    assert.deepEqual(parseRule(textOfRule(parsed!)), parsed);
  }));
});

Deno.test("what covers a set of rules allows everything that the set allows", () => {
  let covered = 0;
  fc.assert(
    fc.property(someTwo, fc.array(path, { minLength: 20 }), ([outer, inner], paths) => {
      assert.ok(covers(outer, outer));
      if (!covers(outer, inner)) return;
      if (inner.length > 0) covered++;
      for (const operation of OPERATIONS) {
        for (const segments of paths) {
          const text = segments.join("/");
          assert.ok(!allows(inner, operation, text) || allows(outer, operation, text));
        }
      }
    }),
    { numRuns: 5000 },
  );
  assert.ok(covered > 50, String(covered));
});

Deno.test("a child may be narrower, and not wider", () => {
  const parent = rules("read,append:chat/**", "create:chat/*");
  for (const narrower of ["read:chat/**", "append:chat/7", "create:chat/*", "read:chat/*/**"]) {
    assert.ok(covers(parent, rules(narrower)), narrower);
  }
  for (
    const wider of ["delete:chat/7", "create:chat/**", "read:**", "read:*/7", "read,list:chat/7"]
  ) {
    assert.ok(!covers(parent, rules(wider)), wider);
  }
  assert.ok(allowsPattern(parent, "read", rules("read:chat/x")[0]!.matcher));
});

Deno.test("a claim's value stands for one segment, whatever it holds", () => {
  const template = parseRuleTemplate("read:users/{sub}/**");
  assert.ok(typeof template !== "string");
  const allowed = (sub: unknown, path: string) => {
    const filled = fillTemplate(template, { sub });
    return filled !== null && allows([filled], "read", path);
  };
  assert.ok(allowed("7", "users/7/inbox") && allowed(7, "users/7"));
  assert.ok(allowed("auth0|7", "users/auth0|7"));
  for (
    const hostile of [
      "*",
      "**",
      "7/**",
      "..",
      ".",
      "",
      "../x",
      "%2A",
      "a*",
      null,
      undefined,
      {},
      [],
    ]
  ) {
    assert.ok(!allowed(hostile, "users/8/inbox"), String(hostile));
    assert.ok(!allowed(hostile, "users"), String(hostile));
  }
  assert.ok(allowed("*", "users/*/x") && allowed("7/8", "users/7%2F8/x"));
  assert.equal(fillTemplate(template, {}), null);
  assert.equal(fillTemplate(template, Object.create({ sub: "7" })), null);
  for (const wrong of ["read:{sub}**", "read:x/{", "read:{}", "nothing:{sub}"]) {
    assert.equal(typeof parseRuleTemplate(wrong), "string", wrong);
  }
});

Deno.test("of two values, neither may read what is the other's", () => {
  const template = parseRuleTemplate("read:u-{sub}/**");
  assert.ok(typeof template !== "string");
  const hostile = fc.oneof(
    fc.string(),
    fc.array(fc.constantFrom("*", "/", "%", "2", "A", "F", "a", ".", "{", "}"), { maxLength: 6 })
      .map((characters) => characters.join("")),
  );
  let compared = 0;
  fc.assert(
    fc.property(hostile, hostile, (one, other) => {
      if (one === other) return;
      const [mine, theirs] = [one, other].map((sub) => fillTemplate(template, { sub }));
      if (mine == null || theirs == null) return;
      compared++;
      assert.ok(!covers([mine], [theirs]) && !covers([theirs], [mine]), `${one} and ${other}`);
      assert.equal(mine.matcher.segments.length, 2);
    }),
    { numRuns: 5000 },
  );
  assert.ok(compared > 1000, String(compared));
});
