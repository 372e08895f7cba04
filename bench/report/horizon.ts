/** The horizon tables: each measure a row, before and while the snapshot or the slot was held. */
import { MEASURE_TITLES, MEASURES } from "../scenarios/horizon.ts";
import { type Figure, summaryOf } from "./figures.ts";
import { short } from "./numbers.ts";
import type { ReportTable } from "./table.ts";

const HEADING = [
  "measure",
  "before",
  "held",
  "ratio",
  "p99 before",
  "p99 held",
  "p99 ratio",
  "CPU before",
  "CPU held",
];

/** One a variant that was measured. */
export function horizonTables(figures: readonly Figure[]): ReportTable[] {
  return figures.filter(({ scenario }) => /^horizon(-|$)/.test(scenario)).map((figure) => {
    const value = (name: string) => summaryOf(figure, name)?.median;
    const why = figure.leftOut ?? figure.error;
    const rows = MEASURES.map((name) => [
      MEASURE_TITLES[name],
      short(value(`${name} before`)),
      short(value(`${name} held`)),
      `${short(value(name))} x`,
      `${short(value(`${name} p99 before`))} ms`,
      `${short(value(`${name} p99 held`))} ms`,
      `${short(value(`${name} p99`))} x`,
      `${short(value(`${name} cpu before`))} µs`,
      `${short(value(`${name} cpu held`))} µs`,
    ]);
    return {
      scenario: figure.scenario,
      title: `${figure.scenario}: ${figure.title}`,
      legend: why === undefined
        ? `Under load for ${short(value("seconds"))} s; the binary on PostgreSQL. ` +
          "CPU: of both, a request."
        : `Not measured: ${why}`,
      rows: why === undefined ? [HEADING, ...rows] : [],
    };
  });
}
