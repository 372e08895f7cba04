/** Plots in the page's own colours, so that they follow light and dark, and in its own width. */

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  /** Of `var(--cN)`, from 0. */
  readonly series: number;
  /** What stands beside the bar. */
  readonly text: string;
}

export interface Line {
  readonly label: string;
  readonly series: number;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Values further apart than this do not share a linear axis: the largest would flatten the rest. */
const LINEAR_SPAN = 10;
const WIDTH = 480;

export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/**
 * A row a bar, each with its spread over the rounds as a thin line: bars from zero, or, where the
 * values lie more than tenfold apart, dots on a logarithmic axis, whose zero no bar could begin at.
 */
export function barPlot(bars: readonly Bar[], unit: string): string {
  const positive = bars.flatMap(({ value, min }) => [value, min]).filter((value) => value > 0);
  const top = Math.max(...bars.map(({ max }) => max), 0) || 1;
  const least = Math.min(...positive, top);
  return top / least > LINEAR_SPAN ? dots(bars, { unit, least, top }) : linearBars(bars, unit, top);
}

function linearBars(bars: readonly Bar[], unit: string, top: number): string {
  const at = (value: number) => share(value / top);
  const rows = bars.map((bar) => {
    const { series, value } = bar;
    return row(
      bar,
      unit,
      `<i class="bar s${series}" style="width:${at(value)}%"></i>${range(bar, at)}`,
    );
  });
  return `<div class="plot">${rows.join("")}</div>`;
}

function dots(
  bars: readonly Bar[],
  { unit, least, top }: { unit: string; least: number; top: number },
): string {
  const low = Math.floor(Math.log10(least));
  const high = Math.ceil(Math.log10(top));
  const at = (value: number) =>
    share((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low));
  const powers = Array.from({ length: high - low + 1 }, (_, n) => 10 ** (low + n));
  const ticks = powers.map((power) => `<i class="tick" style="left:${at(power)}%"></i>`).join("");
  const rows = bars.map((bar) => {
    const dot = `<i class="dot s${bar.series}" style="left:${at(bar.value)}%"></i>`;
    return row(bar, unit, ticks + range(bar, at) + dot);
  });
  const names = powers.map((power) => `<b style="left:${at(power)}%">${tickName(power)}</b>`);
  const axis = `<div class="row axis"><span class="name">logarithmic, ${escapeText(unit)}</span>` +
    `<span class="track">${names.join("")}</span><span class="value"></span></div>`;
  return `<div class="plot">${rows.join("")}${axis}</div>`;
}

/** Short, for five of them share a phone's width: `0.01`, `100`, `10K`, `1M`. */
function tickName(power: number): string {
  return power.toLocaleString("en", { notation: "compact", maximumFractionDigits: 6 });
}

function row({ label, text, min, max }: Bar, unit: string, track: string): string {
  const title = escapeText(`${label}: ${text} (${min} to ${max} ${unit})`);
  return `<div class="row" title="${title}"><span class="name">${escapeText(label)}</span>` +
    `<span class="track">${track}</span><span class="value">${escapeText(text)}</span></div>`;
}

function range({ min, max }: Bar, at: (value: number) => number): string {
  if (max <= min) return "";
  return `<i class="range" style="left:${at(min)}%;width:${px(at(max) - at(min))}%"></i>`;
}

/** The next of 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 and their tenfolds: what an axis is read by. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least || 1));
  const digit = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((round) => round * power >= least) ?? 10;
  return digit * power;
}

/** Of a hundred, as CSS takes it. */
function share(part: number): number {
  return px(part * 100);
}

/** Logarithmic along its axis, which goes up in powers of ten. */
export function linePlot(
  lines: readonly Line[],
  { axis, unit, text }: { axis: string; unit: string; text: (value: number) => string },
): string {
  const points = lines.flatMap((line) => line.points);
  if (points.length === 0) return "";
  const height = 250;
  const [left, right, top, bottom] = [60, WIDTH - 30, 26, height - 46];
  const xs = points.map(({ x }) => Math.log10(Math.max(1, x)));
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const step = roundStep(Math.max(...points.map(({ y }) => y)) / 4);
  const most = step * 4;
  const toX = (x: number) =>
    high === low ? (left + right) / 2 : left +
      (right - left) * (Math.log10(Math.max(1, x)) - low) / (high - low);
  // From zero and linear: a curve that is flat must look flat, and one that falls must fall.
  const toY = (y: number) => bottom - (bottom - top) * y / most;
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = px(toY(most * part));
    return `<line class="grid" x1="${left}" x2="${right}" y1="${y}" y2="${y}"/>` +
      `<text x="${left - 8}" y="${y + 4}" text-anchor="end">${
        escapeText(text(most * part))
      }</text>`;
  });
  const ticks = [...new Set(points.map(({ x }) => x))].map((x) =>
    `<text x="${px(toX(x))}" y="${bottom + 20}" text-anchor="middle">${tickName(x)}</text>`
  );
  const drawn = lines.map((line) => {
    const path = line.points.map(({ x, y }) => `${px(toX(x))},${px(toY(y))}`).join(" ");
    const dots = line.points.map(({ x, y }) =>
      `<circle class="s${line.series}" cx="${px(toX(x))}" cy="${px(toY(y))}" r="4">` +
      `<title>${escapeText(`${line.label}, ${x}: ${text(y)} ${unit}`)}</title></circle>`
    );
    return `<polyline class="l${line.series}" points="${path}"/>${dots.join("")}`;
  });
  const names = `<text x="${(left + right) / 2}" y="${height - 8}" text-anchor="middle">` +
    `${escapeText(axis)}</text><text x="8" y="14">${escapeText(unit)}</text>`;
  const legend = lines.map(({ label, series }) =>
    `<li><i class="dot s${series}"></i>${escapeText(label)}</li>`
  );
  return svg(height, [...grid, ...ticks, ...drawn, names].join("")) +
    `<ul class="legend">${legend.join("")}</ul>`;
}

function svg(height: number, content: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img">${content}</svg>`;
}

function px(value: number): number {
  return Math.round(value * 10) / 10;
}
