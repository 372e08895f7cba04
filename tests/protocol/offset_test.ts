import assert from "node:assert/strict";
// deno-lint-ignore no-import-prefix
import fc from "npm:fast-check@4.10.2";
import { decodeOffset, encodeOffset, NOW, parseOffset, START } from "../../src/protocol/offset.ts";

const position = fc.oneof(fc.maxSafeNat(), fc.nat(100), fc.constant(Number.MAX_SAFE_INTEGER));

Deno.test("encodeOffset writes two fields of sixteen digits", () => {
  assert.equal(encodeOffset(0), "0000000000000000_0000000000000000");
  assert.equal(encodeOffset(1234), "0000000000000000_0000000000001234");
  assert.equal(encodeOffset(Number.MAX_SAFE_INTEGER), "0000000000000000_9007199254740991");
});

Deno.test("encodeOffset throws for what is no position", () => {
  for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => encodeOffset(bad), RangeError);
  }
});

Deno.test("decodeOffset gives back every position", () => {
  fc.assert(fc.property(position, (p) => assert.equal(decodeOffset(encodeOffset(p)), p)));
});

Deno.test("tokens sort as their positions do", () => {
  fc.assert(fc.property(position, position, (a, b) => {
    assert.equal(encodeOffset(a) < encodeOffset(b), a < b);
  }));
});

Deno.test("decodeOffset accepts only tokens encodeOffset can have made", () => {
  const malformed = [
    "",
    "0",
    START,
    NOW,
    "0000000000000000_000000000000000",
    "0000000000000000_00000000000000000",
    "0000000000000001_0000000000000000",
    "0000000000000000-0000000000000000",
    "0000000000000000_0000000000000000\n",
    " 0000000000000000_0000000000000000",
    "0000000000000000_000000000000000a",
    "0000000000000000_-000000000000001",
    "0000000000000000_000000000000١",
    "0000000000000000_9007199254740992",
    "0000000000000000_9007199254740993",
    "0000000000000000_9999999999999999",
  ];
  for (const token of malformed) assert.equal(decodeOffset(token), null, token);
  fc.assert(fc.property(fc.string(), (text) => {
    const decoded = decodeOffset(text);
    assert.ok(decoded === null || encodeOffset(decoded) === text);
  }));
});

Deno.test("parseOffset knows the sentinels", () => {
  assert.deepEqual(parseOffset(START), { kind: "position", position: 0 });
  assert.deepEqual(parseOffset(NOW), { kind: "now" });
  assert.deepEqual(parseOffset(encodeOffset(7)), { kind: "position", position: 7 });
  for (const bad of ["", "-2", "-1 ", "NOW", "0", "1,2", "a b"]) {
    assert.equal(parseOffset(bad), null, bad);
  }
});
