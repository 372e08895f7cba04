/** Values made wrong: of texts that a header or a target may hold, and of bytes. */
import type { Random } from "./random.ts";

const ODD = [
  "-1",
  "now",
  "true",
  "null",
  "NaN",
  "Infinity",
  "0x10",
  "1e9",
  "9007199254740992",
  "18446744073709551616",
  "-9223372036854775809",
  "__proto__",
  "constructor",
  "' or 1=1 --",
  "{}",
  "[]",
  '"',
  "%",
  "%00",
  "%2e%2e",
  "%ff",
  "*",
  ",",
  ";",
  "=",
  "\\",
  "$1",
  "\xff\xfe",
  "\xc3\xa9",
];

/** Of text that a header's value may hold: no control character but the tab. */
export function mutateText(random: Random, text: string): string {
  let mutated = text;
  for (let left = 1 + random.size(3); left > 0; left--) {
    const at = random.below(mutated.length + 1);
    const end = Math.min(mutated.length, at + 1 + random.size(8));
    const [before, middle, after] = [
      mutated.slice(0, at),
      mutated.slice(at, end),
      mutated.slice(end),
    ];
    mutated = random.pick([
      () => before + after,
      () => before + random.pick(ODD) + after,
      () => before + random.pick(ODD) + middle + after,
      () => before + middle.repeat(1 + random.size(200)) + after,
      () => before + String.fromCharCode(printable(random)) + after,
      () => before + middle + middle + after,
      () => mutated.toUpperCase(),
      () => ` ${mutated}\t`,
      () => "",
    ])();
  }
  return mutated.slice(0, 6000);
}

function printable(random: Random): number {
  return random.chance(0.1) ? 0xa1 + random.below(0x5e) : 0x21 + random.below(0x5e);
}

/** Bits flipped, pieces dropped, doubled, or replaced. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  let mutated = bytes;
  for (let left = 1 + random.size(4); left > 0; left--) {
    const at = random.below(mutated.length + 1);
    const end = Math.min(mutated.length, at + 1 + random.size(32));
    const [before, middle, after] = [
      mutated.subarray(0, at),
      mutated.subarray(at, end),
      mutated.subarray(end),
    ];
    const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
    mutated = random.pick([
      () => join(before, after),
      () => join(before, middle, middle, after),
      () => join(before, random.bytes(1 + random.size(16)), after),
      () => join(before, middle.map((byte) => byte ^ (1 << random.below(8))), after),
      () => join(before, Uint8Array.of(random.pick([0, 10, 13, 32, 58, 127, 128, 255])), after),
    ])();
  }
  return mutated;
}
