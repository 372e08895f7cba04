/** The run as one HTML page that needs nothing beside it: figures, plots, targets. */
import { SUBJECTS } from "../servers/subjects.ts";
import { type Figure, type Run, summaryOf } from "./figures.ts";
import { short, withUnit } from "./numbers.ts";
import { type Bar, barPlot, escapeText, type Line, linePlot } from "./plots.ts";
import { renderTable } from "./table.ts";
import type { Verdict } from "./targets.ts";

const IDS = Object.keys(SUBJECTS);

const STYLE = `
:root { color-scheme: light dark; --page: #fff; --ink: #1c2024; --faint: #d5d9de; --bad: #b3261e;
  --good: #1b7f3b; --c0: #9aa3ad; --c1: #c0c6cd; --c2: #0b62c4; --c3: #3f9be8; --c4: #0d7f74;
  --c5: #4cc0b3; --c6: #b25b00; --c7: #e5a04d; --c8: #6b4fa3; --c9: #b0307a; }
@media (prefers-color-scheme: dark) { :root { --page: #15181c; --ink: #e4e7ea; --faint: #3a4048;
  --bad: #ff8a80; --good: #6fd08c; } }
body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; } h3 { margin: 1.5rem 0 .3rem; font-size: 1rem; }
svg { width: 100%; height: auto; font-size: 13px; } svg text { fill: var(--ink); }
.spread { stroke: var(--ink); stroke-width: 1.5; } .grid { stroke: var(--faint); }
polyline { fill: none; stroke-width: 2; }
${IDS.map((_, n) => `.s${n} { fill: var(--c${n}); } .l${n} { stroke: var(--c${n}); }`).join("\n")}
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .2rem .5rem;
  border-bottom: 1px solid var(--faint); } .met { color: var(--good); } .missed { color: var(--bad); }
pre { overflow-x: auto; font-size: 12px; }
`;

export function renderHtml(run: Run, verdicts: readonly Verdict[]): string {
  const scenarios = [...new Set(run.figures.map(({ scenario }) => scenario))];
  const plots = scenarios.map((id) =>
    scenarioPlots(run.figures.filter(({ scenario }) => scenario === id))
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Penstock bench, ${escapeText(run.begun)}</title><style>${STYLE}</style></head><body>
<h1>Penstock bench</h1>
<p>${escapeText(summaryLine(run))}</p>
<h2>Targets</h2>${targetTable(verdicts)}
<h2>Growth</h2>${growthPlots(run.figures)}
<h2>Figures</h2><p>A bar is the median of the rounds, the line across it their range.</p>
${plots.join("\n")}
<h2>As text</h2><pre>${escapeText(renderTable(run))}</pre>
</body></html>
`;
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
  const failures = figures.filter(({ error }) => error !== undefined).map((figure) =>
    `<p class="missed">${escapeText(`${SUBJECTS[figure.subject]}: ${figure.error}`)}</p>`
  );
  const heading = `<h2>${escapeText(first.title)}</h2>`;
  return `<section>${heading}${plots.join("")}${failures.join("")}</section>`;
}

function growthPlots(figures: readonly Figure[]): string {
  const curves = [...new Set(figures.flatMap(({ growth }) => growth?.curve ?? []))];
  const plots = curves.flatMap((curve) => {
    const members = figures.filter(({ growth }) => growth?.curve === curve);
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
  return plots.length > 0 ? plots.join("") : "<p>No growth curve in this run.</p>";
}

function targetTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ number, what, target, text, met }) => {
    const [word, style] = met === undefined
      ? ["", ""]
      : met
      ? ["met", "met"]
      : ["not met", "missed"];
    const cells = [String(number), what, target, text].map((cell) =>
      `<td>${escapeText(cell)}</td>`
    );
    return `<tr>${cells.join("")}<td class="${style}">${word}</td></tr>`;
  });
  return `<table><tr><th>#</th><th>what</th><th>target</th><th>got</th><th></th></tr>
${rows.join("\n")}</table>`;
}
