/** Plots as inline SVG, drawn with the page's own colours so that they follow light and dark. */

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  /** Of `var(--series-N)`, from 0. */
  readonly series: number;
  /** What stands at the bar's end. */
  readonly text: string;
}

export interface Line {
  readonly label: string;
  readonly series: number;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const WIDTH = 860;
const LABELS = 240;
const VALUES = 150;
const ROW = 26;

export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** Horizontal bars, each with its spread over the rounds as a thin line. */
export function barPlot(bars: readonly Bar[], unit: string): string {
  const top = Math.max(...bars.map(({ max }) => max), 0) || 1;
  const room = WIDTH - LABELS - VALUES;
  const at = (value: number) => LABELS + room * value / top;
  const rows = bars.map((bar, index) => {
    const y = index * ROW + 4;
    const middle = y + 9;
    const spread = bar.max > bar.min
      ? `<line class="spread" x1="${px(at(bar.min))}" x2="${px(at(bar.max))}" ` +
        `y1="${middle}" y2="${middle}"/>`
      : "";
    const title = `${bar.label}: ${bar.text} (${bar.min} to ${bar.max} ${unit})`;
    return `<g><title>${escapeText(title)}</title>` +
      `<text x="${LABELS - 8}" y="${y + 13}" text-anchor="end">${escapeText(bar.label)}</text>` +
      `<rect class="s${bar.series}" x="${LABELS}" y="${y}" height="18" rx="2" ` +
      `width="${px(Math.max(1, room * bar.value / top))}"/>${spread}` +
      `<text x="${px(at(Math.max(bar.value, bar.max)) + 8)}" y="${y + 13}">` +
      `${escapeText(bar.text)}</text></g>`;
  });
  return svg(bars.length * ROW + 8, rows.join(""));
}

/** Logarithmic along its axis, which goes up in powers of ten. */
export function linePlot(
  lines: readonly Line[],
  { axis, unit, text }: { axis: string; unit: string; text: (value: number) => string },
): string {
  const points = lines.flatMap((line) => line.points);
  if (points.length === 0) return "";
  const height = 280;
  const [left, right, top, bottom] = [80, WIDTH - 200, 20, height - 50];
  const xs = points.map(({ x }) => Math.log10(Math.max(1, x)));
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const most = Math.max(...points.map(({ y }) => y)) * 1.1 || 1;
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
    `<text x="${px(toX(x))}" y="${bottom + 20}" text-anchor="middle">${
      x.toLocaleString("en")
    }</text>`
  );
  const drawn = lines.map((line) => {
    const path = line.points.map(({ x, y }) => `${px(toX(x))},${px(toY(y))}`).join(" ");
    const dots = line.points.map(({ x, y }) =>
      `<circle class="s${line.series}" cx="${px(toX(x))}" cy="${px(toY(y))}" r="4">` +
      `<title>${escapeText(`${line.label}, ${x}: ${text(y)} ${unit}`)}</title></circle>`
    );
    const end = line.points.at(-1);
    const label = end === undefined ? "" : `<text x="${px(toX(end.x) + 10)}" ` +
      `y="${px(toY(end.y) + 4)}">${escapeText(line.label)}</text>`;
    return `<polyline class="l${line.series}" points="${path}"/>${dots.join("")}${label}`;
  });
  const names = `<text x="${(left + right) / 2}" y="${height - 8}" text-anchor="middle">` +
    `${escapeText(axis)}</text><text x="8" y="14">${escapeText(unit)}</text>`;
  return svg(height, [...grid, ...ticks, ...drawn, names].join(""));
}

function svg(height: number, content: string): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img">${content}</svg>`;
}

function px(value: number): number {
  return Math.round(value * 10) / 10;
}
