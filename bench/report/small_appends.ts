/** What small appends take on disk and in reading, a column a server. */
import { SUBJECTS } from "../servers/subjects.ts";
import type { Metric } from "../scenarios/scenario.ts";
import { type Figure, summaryOf } from "./figures.ts";
import { withUnit } from "./numbers.ts";
import type { ReportTable } from "./table.ts";

const WHEN = [["written", "once written"], ["settled", "closed and settled"]] as const;
const PARTS = [
  ["rows", "rows"],
  ["index", "indexes"],
  ["disk", "rows and indexes"],
  ["wal", "WAL"],
] as const;

/** What is said of a value, its name, and its unit. */
type Line = readonly [string, string, Metric["unit"]];

const LINES: readonly Line[] = [
  ["appends, one at a time", "rate", "req/s"],
  ["p99 of an append", "p99", "ms"],
  ...WHEN.flatMap(([when, words]): Line[] => [
    ...PARTS.map(([part, title]): Line => [`${title}, ${words}`, `${part} ${when}`, "x"]),
    [`segments, ${words}`, `segments ${when}`, "rows"],
  ]),
  ["read back", "small", "MB/s"],
  ["the same bytes in large segments", "large", "MB/s"],
  ["read back over large segments", "ratio", "x"],
];

export function smallAppendTables(figures: readonly Figure[]): ReportTable[] {
  const members = figures.filter(({ scenario }) => scenario === "small-appends");
  const [first] = members;
  if (first === undefined) return [];
  const cell = (figure: Figure, name: string, unit: Metric["unit"]) =>
    withUnit(summaryOf(figure, name)?.median, unit);
  const failures = members.flatMap(({ subject, error }) =>
    error === undefined ? [] : [` ${SUBJECTS[subject]} failed: ${error}.`]
  );
  return [{
    scenario: "small-appends",
    title: `small-appends: ${first.title}`,
    legend: "Sizes for each byte appended; of the embedded database its files without the " +
      "log. Read back by a node that has just started." + failures.join(""),
    rows: [
      ["", ...members.map(({ subject }) => SUBJECTS[subject])],
      ...LINES.map(([title, name, unit]) => [
        title,
        ...members.map((figure) => cell(figure, name, unit)),
      ]),
    ],
  }];
}
