import type { Scenario } from "./scenario.ts";
export const smallAppends: readonly Scenario[] = [];
