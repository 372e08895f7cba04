import type { Scenario } from "./scenario.ts";
export const horizons: readonly Scenario[] = [];
