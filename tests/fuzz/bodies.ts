/** Request bodies: good ones of each kind, and ones that only look like it. */
import type { Random } from "./random.ts";
import { mutateBytes } from "./mutate.ts";

const utf8 = new TextEncoder();

const JSON_TEXTS = [
  "{}",
  "[]",
  "[[]]",
  "null",
  "0",
  '""',
  '{"n":1.0}',
  '[{"n":1},{"n":2}]',
  "[1,2,3]",
  "1e400",
  "12345678901234567890",
  '"\\u0000\\ud800"',
  '"\\u001e"',
  ' \n[ 1 , { "a" : [ ] } ]\t',
  '{"a":{"a":{"a":{"a":{}}}}}',
  '{"__proto__":{"x":1},"constructor":1}',
  "[1,]",
  "{,}",
  "{a:1}",
  "01",
  "[1][2]",
  '"unterminated',
  "\ufeff{}",
  "undefined",
  "",
  " ",
];

export function jsonBody(random: Random): Uint8Array {
  return random.weighted([
    [70, () => utf8.encode(random.pick(JSON_TEXTS))],
    [10, () => utf8.encode(JSON.stringify(jsonValue(random, 4)))],
    [2, () => nested(random)],
    [8, () => mutateBytes(random, utf8.encode(random.pick(JSON_TEXTS)))],
    [1, () => utf8.encode(`[${"1,".repeat(random.size(20_000))}1]`)],
  ])();
}

/** Brackets far deeper than anybody means. */
function nested(random: Random): Uint8Array {
  const depth = random.size(60_000);
  const open = random.pick(["[", '{"a":']);
  const close = open === "[" ? "]" : "}";
  return utf8.encode(open.repeat(depth) + (random.chance(0.8) ? "1" + close.repeat(depth) : ""));
}

export function jsonValue(random: Random, depth: number): unknown {
  if (depth === 0) return random.pick([null, true, 0, -1.5, "", "text", "\u2028\0", "\ud800"]);
  const size = random.size(4);
  if (random.chance(0.5)) return Array.from({ length: size }, () => jsonValue(random, depth - 1));
  return Object.fromEntries(
    Array.from({ length: size }, (_, at) => [`k${at}`, jsonValue(random, depth - 1)]),
  );
}

export function textBody(random: Random): Uint8Array {
  return random.weighted([
    [40, () => utf8.encode("line " + random.next() + "\n")],
    [
      10,
      () => utf8.encode(random.pick(["\r", "\n\n", "data: x\n\n", "\r\n", "é", "😀", "\0", ":"])),
    ],
    [10, () => random.bytes(random.size(64))],
    [2, () => random.bytes(random.size(100_000))],
    [1, () => new Uint8Array(0)],
  ])();
}
