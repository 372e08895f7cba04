/** Names of tenants: there and back, and patterns that stay within the namespace. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { matcherOf, matchesPath, parseGlob } from "../../src/protocol/glob.ts";
import {
  namespaceOfName,
  outerName,
  parseNamespace,
  storedGlob,
  storedName,
} from "../../src/access/namespaces.ts";

Deno.test("storedName and outerName are inverse, and nothing else is within", () => {
  assert.equal(storedName("", "a/b"), "a/b");
  assert.equal(storedName("acme", "a/b"), "acme/a/b");
  assert.equal(storedName("acme/eu", ""), "acme/eu/", "a prefix of everything");
  assert.equal(outerName("acme", "acme/a"), "a");
  assert.equal(outerName("", "acme/a"), "acme/a");
  for (const stored of ["acme", "acmes/a", "other/acme/a", "Acme/a", ""]) {
    assert.equal(outerName("acme", stored), null, stored);
  }
  assert.equal(namespaceOfName("acme/eu/id"), "acme/eu");
  assert.equal(namespaceOfName("id"), "");
});

Deno.test("parseNamespace takes paths of streams that no pattern can misread", () => {
  assert.deepEqual(parseNamespace("acme"), { namespace: "acme" });
  assert.deepEqual(parseNamespace("acme/eu/"), { namespace: "acme/eu" });
  for (
    const text of [
      ...[
        "",
        "/",
        "/acme",
        "acme//",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a\\b",
        "__ds",
        "__ds/x",
        "a\nb",
      ],
      ...["*", "a*", "a%2Ab", "a".repeat(257), "a/".repeat(9), "a%2Fb\\", "\ud800"],
    ]
  ) {
    assert.equal(typeof parseNamespace(text), "string", text);
  }
});

const segment = fc.constantFrom("a", "b", "acme", "a.c", "%2A", "a+", "(x", "$");
const path = fc.array(segment, { minLength: 1, maxLength: 5 }).map((all) => all.join("/"));
const pattern = fc.array(fc.oneof(segment, fc.constantFrom("*", "**")), {
  minLength: 1,
  maxLength: 5,
}).map((all) => all.join("/"));

Deno.test("a stored pattern matches exactly what the pattern matches within the namespace", () => {
  const namespaces = fc.constantFrom("acme", "a", "a/b", "a.c", "a+b");
  fc.assert(
    fc.property(namespaces, pattern, path, path, (namespace, text, inside, anywhere) => {
      const glob = parseGlob(text);
      assert.ok(typeof glob !== "string");
      const stored = storedGlob(namespace, glob);
      const matches = (name: string) => new RegExp(stored.regex, "u").test(`/${name}`);
      assert.equal(
        matches(storedName(namespace, inside)),
        matchesPath(matcherOf(glob), inside.split("/")),
      );
      const outer = outerName(namespace, anywhere);
      assert.equal(
        matches(anywhere),
        outer !== null && matchesPath(matcherOf(glob), outer.split("/")),
      );
      assert.equal(matches(namespace), false, "the namespace itself is not within");
      // Where the database looks for it: every path that matches begins and ends so.
      if (matches(anywhere)) {
        assert.ok(stored.prefix === "" || `${anywhere}/`.startsWith(`${stored.prefix}/`));
        assert.ok(stored.suffix === "" || `/${anywhere}`.endsWith(`/${stored.suffix}`));
      }
    }),
    { numRuns: 3000 },
  );
});
