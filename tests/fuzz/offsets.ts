/** Offsets as a reader might give them. */
import { mutateText } from "./mutate.ts";
import type { Random } from "./random.ts";

export function offset(random: Random): string {
  return random.weighted([
    [20, () => "-1"],
    [10, () => "now"],
    [30, () => `0000000000000000_${String(random.below(40)).padStart(16, "0")}`],
    [3, () => `0000000000000000_${random.pick(["9007199254740991", "9999999999999999"])}`],
    [2, () => `0000000000000001_0000000000000000`],
    [3, () => mutateText(random, "0000000000000000_0000000000000001").replace(/[\s#]/g, "")],
  ])();
}
