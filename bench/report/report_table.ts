/** Tables that a group of scenarios is printed as, in text and on the page alike. */
import { aligned } from "./table.ts";

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
