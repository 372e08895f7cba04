/**
 * Proves from a history that the server kept its promises, or says which it broke and where. Pure:
 * the same history is judged the same, wherever and however often.
 */
import type { History } from "../history.ts";
import { checkAnswers } from "./answers.ts";
import { checkExistence } from "./existence.ts";
import { checkFollowers } from "./followers.ts";
import { checkFreshness } from "./freshness.ts";
import { Incarnations } from "./incarnations.ts";
import { buildLogs } from "./logs.ts";
import { checkForks } from "./forks.ts";
import { checkProducers } from "./producers.ts";
import { checkSequences } from "./sequences.ts";
import { checkStored } from "./stored.ts";
import { checkTrims } from "./trims.ts";
import type { Violation } from "./violation.ts";

export function check(history: History): Violation[] {
  const incarnations = new Incarnations(history);
  const logs = buildLogs(history, incarnations);
  return [
    ...checkAnswers(history),
    ...logs.violations,
    ...checkForks(history, incarnations, logs),
    ...checkStored(history, incarnations),
    ...checkFreshness(history.operations, logs),
    ...checkExistence(history, incarnations),
    ...checkProducers(history, logs),
    ...checkSequences(history, incarnations, logs),
    ...checkFollowers(history),
    ...checkTrims(history, incarnations, logs),
  ];
}
