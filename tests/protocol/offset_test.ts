import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeOffset,
  encodeOffset,
  MAX_GENERATION,
  NOW,
  type Offset,
  parseOffset,
  START,
} from "../../src/protocol/offset.ts";

const position = fc.oneof(
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc.integer({ min: 1, max: 100 }),
  fc.constant(Number.MAX_SAFE_INTEGER),
);
const generation = fc.oneof(
  fc.integer({ min: 1, max: MAX_GENERATION }),
  fc.integer({ min: 1, max: 5 }),
);
const beyondStart: fc.Arbitrary<Offset> = fc.tuple(position, generation)
  .map(([position, generation]) => ({ position, generation }));
const offset = fc.oneof(
  { weight: 9, arbitrary: beyondStart },
  { weight: 1, arbitrary: fc.constant<Offset>({ position: 0, generation: 0 }) },
);

const ZERO = "0000000000000000_0000000000000000";

Deno.test("encodeOffset writes the position, the generation and three digits of slack", () => {
  assert.equal(encodeOffset({ position: 0, generation: 0 }), ZERO);
  assert.equal(
    encodeOffset({ position: 1234, generation: 56 }),
    "0000000000001234_0000000000056000",
  );
  assert.equal(
    encodeOffset({ position: Number.MAX_SAFE_INTEGER, generation: MAX_GENERATION }),
    "9007199254740991_9999999999999000",
  );
});

Deno.test("encodeOffset throws for what is no position and no generation", () => {
  for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => encodeOffset({ position: bad, generation: 1 }), RangeError);
  }
  for (const bad of [0, -1, 0.5, NaN, Infinity, MAX_GENERATION + 1]) {
    assert.throws(() => encodeOffset({ position: 1, generation: bad }), RangeError);
  }
  assert.throws(() => encodeOffset({ position: 0, generation: 1 }), RangeError);
});

Deno.test("decodeOffset gives back every offset, whatever its last three digits have become", () => {
  const slack = fc.integer({ min: 0, max: 999 });
  fc.assert(fc.property(offset, slack, (given, added) => {
    const token = encodeOffset(given);
    assert.deepEqual(decodeOffset(token), given);
    assert.deepEqual(decodeOffset(token.slice(0, -3) + String(added).padStart(3, "0")), given);
  }));
});

Deno.test("tokens sort as their positions do, whatever their generations", () => {
  fc.assert(fc.property(offset, offset, (a, b) => {
    if (a.position === b.position) return;
    assert.equal(encodeOffset(a) < encodeOffset(b), a.position < b.position);
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
    "0000000000000000-0000000000000000",
    "0000000000000001_0000000000001000\n",
    " 0000000000000001_0000000000001000",
    "0000000000000001_000000000000100a",
    "0000000000000001_-000000000001000",
    "000000000000000١_0000000000001000",
    "9007199254740992_0000000000001000",
    "9007199254740993_0000000000001000",
    "9999999999999999_0000000000001000",
    // A byte before the position has been stored by some stream, and none before the start.
    "0000000000000001_0000000000000000",
    "0000000000000001_0000000000000999",
    "0000000000000000_0000000000001000",
  ];
  for (const token of malformed) assert.equal(decodeOffset(token), null, token);
  fc.assert(fc.property(fc.string(), (text) => {
    const decoded = decodeOffset(text);
    assert.ok(decoded === null || encodeOffset(decoded) === text);
  }));
});

Deno.test("parseOffset knows the sentinels", () => {
  const start = { kind: "position", position: 0, generation: 0 };
  assert.deepEqual(parseOffset(START), { kind: "start" });
  assert.deepEqual(parseOffset(ZERO), start);
  assert.deepEqual(parseOffset(NOW), { kind: "now" });
  assert.deepEqual(parseOffset(encodeOffset({ position: 7, generation: 2 })), {
    ...{ kind: "position", position: 7, generation: 2 },
  });
  for (const bad of ["", "-2", "-1 ", "NOW", "0", "1,2", "a b"]) {
    assert.equal(parseOffset(bad), null, bad);
  }
});
