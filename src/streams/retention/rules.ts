/**
 * The server's rules of retention: `logs/**: age=7d, bytes=10GiB`. A stream that was created with a
 * `Stream-Retention` of its own keeps to that; of the rules, the first whose pattern matches counts.
 */
import { parseBytes, parseSeconds } from "../../lib/quantities.ts";
import { type Matcher, matcherOf, matchesPath, parseGlob } from "../../protocol/glob.ts";
import { problemOf, type Retention } from "../../protocol/retention.ts";
import type { StreamState } from "../stream_state.ts";

export interface RetentionRule {
  readonly matcher: Matcher;
  readonly retention: Retention;
}

const MOST_RULES = 1000;

/**
 * Rules with semicolons between.
 * @throws Error with a sentence that says what is wrong
 */
export function parseRetentionRules(text: string): readonly RetentionRule[] {
  const rules = text.split(";").map((rule) => rule.trim()).filter((rule) => rule !== "");
  if (rules.length > MOST_RULES) throw new Error(`there are more than ${MOST_RULES} rules`);
  return rules.map(parseRule);
}

function parseRule(text: string): RetentionRule {
  const colon = text.lastIndexOf(":");
  if (colon < 0) throw new Error(`"${text}" is not a rule such as logs/**: age=7d, bytes=10GiB`);
  const glob = parseGlob(text.slice(0, colon).trim());
  if (typeof glob === "string") throw new Error(`"${text}": ${glob}`);
  const limits = new Map<string, number>();
  for (const limit of text.slice(colon + 1).split(",")) {
    const [, name = "", amount = ""] = /^\s*(age|bytes)=(\w+)\s*$/.exec(limit) ?? [];
    const value = name === "age" ? parseSeconds(amount) : parseBytes(amount);
    if (value === null || limits.has(name)) {
      throw new Error(
        `"${limit.trim()}" is neither an age such as age=90s, 30m, 12h or 7d, nor a size such as ` +
          "bytes=1048576, 512KiB, 16MiB, 10GiB or 1TiB",
      );
    }
    limits.set(name, value);
  }
  const retention = {
    ageSeconds: limits.get("age") ?? null,
    bytes: limits.get("bytes") ?? null,
  };
  const problem = problemOf(retention);
  if (problem !== null) throw new Error(`"${text}": ${problem}`);
  return { matcher: matcherOf(glob), retention };
}

/** What a stream is to keep; null: everything. */
export function retentionOf(
  rules: readonly RetentionRule[],
  { path, retention }: Pick<StreamState, "path" | "retention">,
): Retention | null {
  if (retention !== null || rules.length === 0) return retention;
  const segments = path.split("/");
  return rules.find(({ matcher }) => matchesPath(matcher, segments))?.retention ?? null;
}
