/**
 * Values for `Stream-Seq`, each greater than the ones before it, byte by byte, and by hardly any
 * other order: as numbers they are none, and a locale has `a` before `Z` and passes over `-`.
 */
import type { Random } from "./random.ts";

/** In the order of their bytes. */
const DIGITS = "-09AZ_az";
/** Enough for 8^6 values. What follows these makes values of different lengths. */
const PLACES = 6;
/** Penstock takes 512 bytes. */
const LONGEST = 512;

export class Sequence {
  #last = 0;

  next(random: Random): string {
    let value = "";
    for (let left = ++this.#last; value.length < PLACES; left = Math.floor(left / DIGITS.length)) {
      value = DIGITS[left % DIGITS.length] + value;
    }
    return value + digits(random, random.chance(0.02) ? LONGEST - PLACES : random.between(0, 3));
  }
}

/** A value that is not greater: the same, the beginning of it, or one that is less at some place. */
export function notAfter(value: string, random: Random): string {
  const places = [...value].flatMap((digit, at) => digit === DIGITS[0] ? [] : [at]);
  const kind = random.pick(["same", "shorter", "less"] as const);
  if (kind === "shorter") return value.slice(0, random.between(1, value.length - 1));
  if (kind === "same" || places.length === 0) return value;
  const place = random.pick(places);
  const less = DIGITS[random.between(0, DIGITS.indexOf(value[place]!) - 1)];
  return value.slice(0, place) + less + digits(random, random.between(0, 8));
}

function digits(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.pick([...DIGITS])).join("");
}
