/** What the checker's tests share. */
import assert from "node:assert/strict";
import { check } from "./check.ts";
import { Scenario, UNKNOWN } from "./scenario.ts";
import type { Rule } from "./violation.ts";

/** A stream with three records, that a test goes on from. */
export function begun(): Scenario {
  const scenario = new Scenario();
  scenario.create("s");
  for (let count = 0; count < 3; count++) scenario.append("s");
  return scenario;
}

/** What the server of the scenario holds, for a test to reach into. */
export function records(scenario: Scenario, path = "s"): number[] {
  return scenario.streams.get(path)!.records;
}

export function findsNothing(scenario: Scenario): void {
  assert.deepEqual(check(scenario.history), []);
}

export function finds(scenario: Scenario, rule: Rule): void {
  const rules = rulesFound(scenario);
  assert.ok(rules.includes(rule), `${rule} is not among: ${rules.join(", ")}`);
}

export function rulesFound(scenario: Scenario): Rule[] {
  return [...new Set(check(scenario.history).map((violation) => violation.rule))];
}

/** An answer that leaves it open. */
export const UNAVAILABLE = {
  ...UNKNOWN,
  status: 503,
  reason: "DATABASE_UNAVAILABLE",
  retryAfter: true,
};
