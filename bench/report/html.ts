/** The run as one HTML page that needs nothing beside it: figures, plots, targets. */
import { SUBJECTS } from "../servers/subjects.ts";
import { type Figure, type Run, summaryOf } from "./figures.ts";
import { horizonTables } from "./horizon.ts";
import { short, withUnit } from "./numbers.ts";
import { STYLE } from "./page_style.ts";
import { peerTables } from "./peers.ts";
import { type Bar, barPlot, escapeText, type Line, linePlot } from "./plots.ts";
import { smallAppendTables } from "./small_appends.ts";
import { HAVE_TABLES, QUICK_RUN, renderTable, type ReportTable } from "./table.ts";
import type { Verdict } from "./targets.ts";

const IDS = Object.keys(SUBJECTS);

/** A part of the page that the list of contents leads to. */
interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: string;
}

export function renderHtml(run: Run, verdicts: readonly Verdict[]): string {
  const { quick } = run.effort;
  const sections = sectionsOf(run, verdicts);
  const contents = sections.map(({ id, title }) =>
    `<li><a href="#${id}">${escapeText(title)}</a></li>`
  );
  const parts = sections.map(({ id, title, content }) =>
    `<section id="${id}"><h2>${escapeText(title)}</h2>${content}</section>`
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Penstock bench, ${escapeText(run.begun)}</title><style>${STYLE}</style></head><body>
<h1>Penstock bench</h1>
${quick ? `<p class="banner">${QUICK_RUN}</p>` : ""}
<p>${escapeText(summaryLine(run))}</p>
<nav aria-label="Contents"><b>Contents</b><ul>${contents.join("")}</ul></nav>
<p class="note">A bar is the median of the rounds, the thin line their range. Where values lie more
than tenfold apart, dots on a logarithmic axis take the place of bars.</p>
${parts.join("\n")}
</body></html>
`;
}

/** Only those that have something to say. */
function sectionsOf(run: Run, verdicts: readonly Verdict[]): Section[] {
  const { figures } = run;
  const tables = [
    ...peerTables(figures),
    ...horizonTables(figures),
    ...smallAppendTables(figures),
  ];
  const plotted = figures.filter(({ scenario }) => !HAVE_TABLES.test(scenario));
  const scenarios = [...new Set(plotted.map(({ scenario }) => scenario))];
  const section = (id: string, title: string, content: string) => ({ id, title, content });
  return [
    section("targets", "Targets", targetTable(verdicts, run.effort)),
    ...tables.map((table) => section(`table-${table.scenario}`, table.title, tableOf(table))),
    section("growth", "Growth", growthPlots(figures)),
    ...scenarios.map((id) => {
      const members = plotted.filter(({ scenario }) => scenario === id);
      return section(id, members[0]?.title ?? id, scenarioPlots(members));
    }),
    section("text", "As text", `<pre>${escapeText(renderTable(run))}</pre>`),
  ].filter(({ content }) => content !== "");
}

function tableOf({ legend, rows: [heading = [], ...rows] }: ReportTable): string {
  const head = heading.map((cell) => `<th>${escapeText(cell)}</th>`).join("");
  const body = rows.map(([name = "", ...cells]) =>
    `<tr><td>${escapeText(name)}</td>${cells.map(cellOf).join("")}</tr>`
  );
  return `<p class="note">${escapeText(legend)}</p>` +
    (rows.length === 0 ? "" : `<div class="box wide">
<table><tr>${head}</tr>${body.join("")}</table></div>`);
}

/** A part of a cell with several stands in a line of its own. */
function cellOf(cell: string): string {
  const parts = cell.split(", ").map((part) => `<span>${escapeText(part)}</span>`);
  return `<td>${parts.join("")}</td>`;
}

function summaryLine({ machine, rounds, begun }: Run): string {
  return `${begun}: ${machine.cpu}, ${machine.cores} cores, Deno ${machine.deno}, ` +
    `Bun ${machine.bun}, PostgreSQL ${machine.postgres}; ${rounds} round(s).`;
}

/** A plot for each metric: the headline first, and latencies after it. */
function scenarioPlots(figures: readonly Figure[]): string {
  const [first] = figures;
  if (first === undefined) return "";
  const plots = first.metrics.flatMap(({ name, unit }) => {
    const bars = figures.flatMap((figure): Bar[] => {
      const summary = summaryOf(figure, name);
      if (summary === undefined) return [];
      const { median, min, max } = summary;
      const label = SUBJECTS[figure.subject];
      const text = withUnit(median, unit);
      return [{ label, value: median, min, max, text, series: IDS.indexOf(figure.subject) }];
    });
    return bars.length === 0 ? [] : [`<h3>${escapeText(name)}, ${unit}</h3>${barPlot(bars, unit)}`];
  });
  const leftOut = figures.filter(({ leftOut }) => leftOut !== undefined).map((figure) =>
    `<p class="note">${escapeText(`${SUBJECTS[figure.subject]} left out: ${figure.leftOut}`)}</p>`
  );
  const failures = figures.filter(({ error }) => error !== undefined).map((figure) =>
    `<p class="missed">${escapeText(`${SUBJECTS[figure.subject]}: ${figure.error}`)}</p>`
  );
  return [...plots, ...leftOut, ...failures].join("");
}

function growthPlots(figures: readonly Figure[]): string {
  const curves = [...new Set(figures.flatMap(({ growth }) => growth?.curve ?? []))];
  const plots = curves.flatMap((curve) => {
    const members = figures.filter(({ growth }) => growth?.curve === curve);
    // One point is no curve: a short run has only the first of each.
    if (new Set(members.map(({ growth }) => growth?.at)).size < 2) return [];
    const subjects = [...new Set(members.map(({ subject }) => subject))];
    const lines = subjects.map((subject): Line => ({
      label: SUBJECTS[subject],
      series: IDS.indexOf(subject),
      points: members.filter((figure) => figure.subject === subject).flatMap((figure) => {
        const y = summaryOf(figure, figure.metrics[0]?.name ?? "")?.median;
        return y === undefined || figure.growth === undefined ? [] : [{ x: figure.growth.at, y }];
      }).sort((a, b) => a.x - b.x),
    })).filter(({ points }) => points.length > 0);
    const [first] = members;
    const axis = first?.growth?.axis ?? "";
    const unit = first?.metrics[0]?.unit ?? "";
    const plot = linePlot(lines, { axis, unit, text: short });
    return plot === "" ? [] : [`<h3>${escapeText(curve)}</h3>${plot}`];
  });
  return plots.join("");
}

function targetTable(verdicts: readonly Verdict[], { quick }: { quick: boolean }): string {
  const measured = verdicts.filter(({ met }) => met !== undefined);
  if (measured.length === 0) return "";
  const rows = measured.map(({ number, what, target, text, met }) => {
    const cells = [String(number), what, target, text].map((cell) =>
      `<td>${escapeText(cell)}</td>`
    );
    const word = met === true ? "met" : "not met";
    const verdict = quick ? "" : `<td class="${met === true ? "met" : "missed"}">${word}</td>`;
    return `<tr>${cells.join("")}${verdict}</tr>`;
  });
  const left = verdicts.filter(({ met }) => met === undefined);
  const numbers = [...new Set(left.map(({ number }) => number))].join(", ");
  const unmeasured = numbers === "" ? "" : `Not measured, or only in part: ${numbers}.`;
  return `<div class="box targets"><table><tr><th>#</th><th>what</th><th>target</th><th>got</th>` +
    `${quick ? "" : "<th></th>"}</tr>
${rows.join("\n")}</table></div><p class="note">${unmeasured}</p>`;
}
