/** What a run has found: for each scenario and subject the samples of all rounds, or the error. */
import type { Cpu, Effort, Metric, Sample } from "../scenarios/scenario.ts";
import type { SubjectId } from "../servers/subjects.ts";
import { summarize, type Summary } from "./statistics.ts";

export interface Figure {
  readonly scenario: string;
  readonly title: string;
  readonly subject: SubjectId;
  readonly metrics: readonly Metric[];
  readonly growth?: { readonly curve: string; readonly axis: string; readonly at: number };
  readonly samples: readonly Sample[];
  /** Of the round that failed; the rounds before it are kept. */
  readonly error?: string;
  /** Why this machine cannot measure the subject; no failure. */
  readonly leftOut?: string;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly deno: string;
  readonly bun: string;
  readonly postgres: string;
}

export interface Run {
  readonly begun: string;
  readonly seconds: number;
  readonly rounds: number;
  readonly effort: Effort;
  readonly generator: "wrk" | "own";
  readonly machine: Machine;
  readonly figures: readonly Figure[];
}

/** Of one metric over the rounds; undefined when no round has it. */
export function summaryOf(figure: Figure, metric: string): Summary | undefined {
  const values = figure.samples.flatMap(({ values }) => {
    const value = values[metric];
    return value === undefined || Number.isNaN(value) ? [] : [value];
  });
  return values.length === 0 ? undefined : summarize(values);
}

/** The median round's, part by part. */
export function cpuOf(figure: Figure, part: keyof Cpu): number | undefined {
  const values = figure.samples.flatMap(({ cpu }) => cpu?.[part] ?? []);
  return values.length === 0 ? undefined : summarize(values).median;
}

export function find(
  figures: readonly Figure[],
  scenario: string,
  subject: SubjectId,
): Figure | undefined {
  return figures.find((figure) => figure.scenario === scenario && figure.subject === subject);
}

/** The median of a scenario, subject and metric, if it was measured. */
export function medianOf(
  figures: readonly Figure[],
  [scenario, subject, metric]: readonly [string, SubjectId, string],
): number | undefined {
  const figure = find(figures, scenario, subject);
  return figure === undefined ? undefined : summaryOf(figure, metric)?.median;
}
