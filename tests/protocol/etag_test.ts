import assert from "node:assert/strict";
// deno-lint-ignore no-import-prefix
import fc from "npm:fast-check@4.10.2";
import { etagOf, matchesEtag } from "../../src/protocol/etag.ts";

Deno.test("etagOf names the stream, the range and the closure", () => {
  assert.equal(etagOf(7, 0, 12, false), '"7:0:12"');
  assert.equal(etagOf(7, 0, 12, true), '"7:0:12:c"');
});

Deno.test("etagOf differs wherever what it names differs", () => {
  const named = fc.tuple(fc.nat(30), fc.nat(30), fc.nat(30), fc.boolean());
  fc.assert(fc.property(named, named, (a, b) => {
    assert.equal(etagOf(...a) === etagOf(...b), a.join() === b.join());
  }));
});

Deno.test("matchesEtag compares weakly over a list", () => {
  const etag = etagOf(7, 0, 12, false);
  const matching = [
    etag,
    `W/${etag}`,
    "*",
    " * ",
    `"a",${etag}`,
    `"a, b" , W/${etag} ,"c"`,
    `,${etag}`,
  ];
  for (const value of matching) assert.ok(matchesEtag(value, etag), value);
});

Deno.test("matchesEtag finds nothing where the tag is not in the list", () => {
  const etag = etagOf(7, 0, 12, false);
  const other = [
    null,
    "",
    "7:0:12",
    '"7:0:12:c"',
    '"7:0:1"',
    '"17:0:12"',
    '"*"',
    '"a","b"',
    '"7:0:12',
  ];
  for (const value of other) assert.ok(!matchesEtag(value, etag), String(value));
});
