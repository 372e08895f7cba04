/** What the checker's tests share. */
import assert from "node:assert/strict";
import { check } from "./check.ts";
import { Story, UNKNOWN } from "./story.ts";
import type { Rule } from "./violation.ts";

/** A stream with three records, that a test goes on from. */
export function begun(): Story {
  const story = new Story();
  story.create("s");
  for (let count = 0; count < 3; count++) story.append("s");
  return story;
}

/** What the server of the story holds, for a test to reach into. */
export function records(story: Story, path = "s"): number[] {
  return story.streams.get(path)!.records;
}

export function findsNothing(story: Story): void {
  assert.deepEqual(check(story.history), []);
}

export function finds(story: Story, rule: Rule): void {
  const rules = rulesFound(story);
  assert.ok(rules.includes(rule), `${rule} is not among: ${rules.join(", ")}`);
}

export function rulesFound(story: Story): Rule[] {
  return [...new Set(check(story.history).map((violation) => violation.rule))];
}

/** An answer that leaves it open. */
export const UNAVAILABLE = {
  ...UNKNOWN,
  status: 503,
  reason: "DATABASE_UNAVAILABLE",
  retryAfter: true,
};
