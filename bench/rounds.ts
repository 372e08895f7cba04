/**
 * The order of a run: scenario by scenario, in each round after round, in a round every subject in
 * turn. A neighbour's burst of work then falls on all subjects of a scenario, or on one round.
 */
import type { Figure } from "./report/figures.ts";
import type { Context, Effort, Sample, Scenario } from "./scenarios/scenario.ts";
import type { Fleet } from "./servers/fleet.ts";
import { LeftOut, type SubjectId } from "./servers/subjects.ts";

export interface Plan {
  readonly scenarios: readonly Scenario[];
  readonly fleet: Fleet;
  readonly effort: Effort;
  readonly rounds: number;
  /** Measured: only `given`, or all but it. */
  readonly includes: (subject: SubjectId) => boolean;
  /** Told what is about to be measured. */
  readonly report: (line: string) => void;
}

interface Entry {
  readonly samples: Sample[];
  error?: string;
  leftOut?: string;
}

export async function runRounds(plan: Plan): Promise<Figure[]> {
  const figures: Figure[] = [];
  const ofRun = new Map<string, Promise<unknown>>();
  for (const scenario of plan.scenarios) {
    const left = plan.effort.quick ? scenario.notQuick ?? [] : [];
    const subjects = scenario.subjects.filter((id) => plan.includes(id) && !left.includes(id));
    if (subjects.length === 0) continue;
    const entries = new Map(subjects.map((id): [SubjectId, Entry] => [id, { samples: [] }]));
    const ofScenario = new Map<string, Promise<unknown>>();
    const once: Context["once"] = (name, make, scope = "scenario") =>
      remembered(scope === "run" ? ofRun : ofScenario, name, make);
    const rounds = Math.min(plan.rounds, scenario.maxRounds ?? plan.rounds);
    for (let round = 0; round < rounds; round++) {
      plan.report(`${scenario.id} ${round + 1}/${rounds}`);
      for (const [id, entry] of entries) {
        // What failed once is left out: it would most likely fail again, and slowly.
        if (entry.error !== undefined || entry.leftOut !== undefined) continue;
        try {
          const subject = await plan.fleet.alone(id);
          const { fleet, effort } = plan;
          entry.samples.push(await scenario.run({ subject, fleet, effort, round, once }));
        } catch (error) {
          entry[error instanceof LeftOut ? "leftOut" : "error"] = firstLine(error);
        }
      }
    }
    for (const [subject, entry] of entries) figures.push(figureOf(scenario, subject, entry));
  }
  return figures;
}

/** A failure is not remembered. */
function remembered<T>(
  made: Map<string, Promise<unknown>>,
  name: string,
  make: () => Promise<T>,
): Promise<T> {
  const known = made.get(name) as Promise<T> | undefined;
  if (known !== undefined) return known;
  const making = make();
  made.set(name, making);
  making.catch(() => made.delete(name));
  return making;
}

function figureOf(scenario: Scenario, subject: SubjectId, entry: Entry): Figure {
  const { id, title, metrics, growth } = scenario;
  return {
    ...{ scenario: id, title, subject, metrics, samples: entry.samples },
    ...growth === undefined ? {} : { growth },
    ...entry.error === undefined ? {} : { error: entry.error },
    ...entry.leftOut === undefined ? {} : { leftOut: entry.leftOut },
  };
}

/** Of a script that failed: the line with the error, without the escapes that colour it. */
function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // deno-lint-ignore no-control-regex
  const lines = text.replaceAll(/\x1b\[[\d;]*m/g, "").split("\n").map((line) => line.trim());
  const telling = lines.find((line) => /error:/i.test(line)) ?? lines.find((line) => line !== "");
  return (telling ?? "no message").slice(0, 160);
}
