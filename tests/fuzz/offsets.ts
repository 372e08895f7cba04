/** Offsets as a reader might give them. */
import { mutateText } from "./mutate.ts";
import type { Random } from "./random.ts";

export function offset(random: Random): string {
  return random.weighted([
    [20, () => "-1"],
    [10, () => "now"],
    [30, () => token(random.below(40), random.below(12) * 1000)],
    [3, () => `${random.pick(["9007199254740991", "9999999999999999"])}_0000000000001000`],
    [2, () => `0000000000000001_${random.pick(["0000000000000000", "9999999999999999"])}`],
    [2, () => token(0, random.below(2000))],
    [3, () => mutateText(random, token(7, 1000)).replace(/[\s#]/g, "")],
  ])();
}

function token(position: number, rest: number): string {
  return [position, rest].map((half) => String(half).padStart(16, "0")).join("_");
}
