/** The run as plain text: a table of figures a scenario, then the targets. */
import { SUBJECTS } from "../servers/subjects.ts";
import { cpuOf, type Figure, find, type Run, summaryOf } from "./figures.ts";
import { percent, short, withUnit } from "./numbers.ts";
import type { Verdict } from "./targets.ts";

const COLUMNS = [
  "",
  "median",
  "min – max",
  "further",
  "of empty",
  "server µs",
  "postgres µs",
  "load",
  "others",
] as const;

/** Scenarios with tables of their own: they have too many values for a line of this one. */
export const HAVE_TABLES = /^(horizon|small-appends)(-|$)/;

/** One short round on a machine that others use: a target missed in it says nothing. */
export const QUICK_RUN = "quick run: indicative, targets not judged";

const LEGEND =
  "server µs, postgres µs: CPU time an operation (a MiB, a delivery, a second of idling " +
  "where that is what is counted). load, others: share of one core taken by the load generator " +
  "and by all that is not the bench. of empty: share of the empty handler of Deno.";

export function renderTable(run: Run): string {
  const { machine } = run;
  const scale = run.effort.quick ? "quick" : run.effort.large ? "large" : "full";
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${short(machine.memoryGiB)} GiB; ${machine.system}`,
    `Deno ${machine.deno}, Bun ${machine.bun}, PostgreSQL ${machine.postgres}`,
    `${scale} run, ${run.rounds} round(s) of ${short(run.effort.seconds)} s, load by ` +
    `${run.generator === "wrk" ? "wrk" : "our own generator"}, ${short(run.seconds)} s in all`,
    LEGEND,
    "",
  ];
  const rows: string[][] = [[...COLUMNS]];
  let last = "";
  for (const figure of run.figures) {
    if (HAVE_TABLES.test(figure.scenario)) continue;
    if (figure.scenario !== last) rows.push([`# ${figure.scenario}: ${figure.title}`]);
    last = figure.scenario;
    rows.push(rowOf(figure, run.figures));
  }
  if (rows.length === 1) rows.pop();
  return [...lines, ...aligned(rows)].join("\n") + "\n";
}

function rowOf(figure: Figure, figures: readonly Figure[]): string[] {
  const [headline, ...others] = figure.metrics;
  const name = `  ${SUBJECTS[figure.subject]}`;
  if (figure.leftOut !== undefined) return [name, `left out: ${figure.leftOut}`];
  if (figure.error !== undefined && figure.samples.length === 0) {
    return [name, `failed: ${figure.error}`];
  }
  if (headline === undefined) return [name];
  const main = summaryOf(figure, headline.name);
  const further = others.flatMap(({ name, unit }) => {
    const summary = summaryOf(figure, name);
    return summary === undefined ? [] : [`${name} ${withUnit(summary.median, unit)}`];
  });
  if (figure.error !== undefined) further.push(`then failed: ${figure.error}`);
  return [
    name,
    withUnit(main?.median, headline.unit),
    main === undefined || main.count < 2 ? "" : `${short(main.min)} – ${short(main.max)}`,
    further.join(", "),
    headline.unit === "req/s" ? percent(shareOfEmpty(figure, figures)) : "",
    short(cpuOf(figure, "serverMicros")),
    short(cpuOf(figure, "postgresMicros")),
    percent(cpuOf(figure, "loadCores")),
    percent(cpuOf(figure, "otherCores")),
  ];
}

/** Of the empty handler in the same scenario, else of the one at as many connections. */
export function shareOfEmpty(figure: Figure, figures: readonly Figure[]): number | undefined {
  const stand = figure.scenario.startsWith("append-") && figure.scenario.endsWith("-streams")
    ? "append-256"
    : figure.scenario === "create" || figure.scenario.endsWith("-segments")
    ? "append-64"
    : figure.scenario === "read-304"
    ? "read"
    : figure.scenario;
  const empty = find(figures, stand, "empty-deno");
  const ceiling = empty === undefined ? undefined : summaryOf(empty, "rate")?.median;
  const own = summaryOf(figure, "rate")?.median;
  return ceiling === undefined || own === undefined ? undefined : own / ceiling;
}

/** Empty when nothing was measured that a target rests on. */
export function renderTargets(verdicts: readonly Verdict[], { quick }: { quick: boolean }): string {
  const judged = verdicts.filter(({ met }) => met !== undefined);
  if (judged.length === 0) return "";
  const rows = judged.map(({ number, what, target, text, met }) => [
    ...[String(number), what, target, text],
    quick ? "" : met === true ? "met" : "NOT MET",
  ]);
  const met = judged.filter((verdict) => verdict.met === true).length;
  const left = verdicts.filter((verdict) => verdict.met === undefined);
  const unmeasured = [...new Set(left.map(({ number }) => number))].join(", ");
  return [
    ...aligned([["#", "target", "", "got", ""], ...rows]),
    "",
    quick ? QUICK_RUN : `${met} of ${judged.length} measured targets met`,
    ...left.length === 0 ? [] : [`not measured, or only in part: ${unmeasured}`],
    "",
  ].join("\n");
}

/** What a group of scenarios is printed as, in text and on the page alike. */
export interface ReportTable {
  /** Of the scenario it stands for, or the beginning of their names. */
  readonly scenario: string;
  readonly title: string;
  readonly legend: string;
  /** The first is the heading; empty where there is only the legend to say. */
  readonly rows: readonly (readonly string[])[];
}

export function renderReportTable({ title, legend, rows }: ReportTable): string {
  return [title, legend, ...aligned(rows).map((row) => `  ${row}`), ""].join("\n");
}

/** Pads columns; a row of one or two cells is a heading or a message, and takes no part. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      const counts = row.length > 2 || (row.length === 2 && column === 0);
      if (counts) widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const numeric = (text: string) => /^(-?[\d,.]+|–)( \S+| – -?[\d,.]+)?$/.test(text);
  return rows.map((row) =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column > 0 && numeric(cell) ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd()
  );
}
