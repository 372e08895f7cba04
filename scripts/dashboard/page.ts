/** The panels of the Grafana dashboard as one page: plots in SVG, in the places that Grafana gives them. */

export interface Panel {
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly max?: number;
      readonly thresholds?: {
        readonly steps: readonly { readonly color: string; readonly value: number | null }[];
      };
    };
  };
}

export interface Series {
  readonly name: string;
  /** Seconds since the first that is shown, and the value. */
  readonly points: readonly (readonly [number, number])[];
}

export interface PanelData {
  readonly panel: Panel;
  readonly series: readonly Series[];
}

const COLUMN = 44;
const ROW = 24;
const COLORS = [
  "#2a78c4",
  "#d9822b",
  "#3a9d5d",
  "#c23b4b",
  "#7a5bb5",
  "#0f9aa8",
  "#a5812f",
  "#6b7280",
];
const STATES: Readonly<Record<string, string>> = {
  green: "#2f8f4e",
  orange: "#d9822b",
  red: "#c4302b",
};
const STYLE = `
  body { margin: 12px; font: 12px system-ui, "DejaVu Sans", sans-serif; color: #1f2733; background: #fff; }
  #grid { position: relative; width: ${24 * COLUMN}px; }
  .panel { position: absolute; box-sizing: border-box; padding: 3px; }
  .box { box-sizing: border-box; height: 100%; border: 1px solid #d5dae1; border-radius: 3px; padding: 5px 7px; overflow: hidden; }
  h2 { position: absolute; margin: 0; font-size: 13px; line-height: ${ROW}px; padding-left: 4px; }
  h3 { margin: 0 0 2px; font-size: 12px; font-weight: 600; white-space: nowrap; overflow: hidden; }
  .stat { color: #fff; border: 0; text-align: center; }
  .stat h3 { font-size: 11px; white-space: normal; line-height: 13px; height: 26px; }
  .stat b { display: block; font-size: 32px; margin-top: 10px; font-weight: 600; }
  .legend { display: flex; flex-wrap: wrap; gap: 0 9px; font-size: 11px; line-height: 14px; max-height: 28px; overflow: hidden; }
  .legend i { display: inline-block; width: 9px; height: 3px; margin-right: 3px; vertical-align: middle; }
  text { font-size: 10px; fill: #5b6573; }
  .none { color: #5b6573; margin-top: 30px; text-align: center; }`;

export function dashboardPage(data: readonly PanelData[], seconds: number): string {
  const height = Math.max(...data.map(({ panel: { gridPos } }) => gridPos.y + gridPos.h)) * ROW;
  const panels = data.map((item) => panelOf(item, seconds)).join("\n");
  return `<!doctype html><meta charset="utf-8"><title>Penstock</title><style>${STYLE}</style>
<div id="grid" style="height:${height}px">${panels}</div>`;
}

function panelOf({ panel, series }: PanelData, seconds: number): string {
  const { x, y, w, h } = panel.gridPos;
  const place = `left:${x * COLUMN}px;top:${y * ROW}px;width:${w * COLUMN}px;height:${h * ROW}px`;
  if (panel.type === "row") return `<h2 style="${place}">${escaped(panel.title)}</h2>`;
  const size = { width: w * COLUMN - 22, height: h * ROW - 60 };
  const box = panel.type === "stat"
    ? statBox(panel, series)
    : `<div class="box"><h3>${escaped(panel.title)}</h3>${
      panel.type === "table" ? tableOf(series) : plotOf(panel, series, { ...size, seconds })
    }</div>`;
  return `<div class="panel" style="${place}">${box}</div>`;
}

function statBox(panel: Panel, series: readonly Series[]): string {
  const last = series[0]?.points.at(-1)?.[1] ?? 0;
  const steps = panel.fieldConfig?.defaults.thresholds?.steps ?? [];
  const step = steps.findLast(({ value }) => value === null || last >= value);
  const color = STATES[step?.color ?? "green"];
  const text = escaped(quantity(last, unitOf(panel)));
  return `<div class="box stat" style="background:${color}"><h3>${
    escaped(panel.title)
  }</h3><b>${text}</b></div>`;
}

function tableOf(series: readonly Series[]): string {
  return series.map(({ name }) => `<p>${escaped(name)}</p>`).join("");
}

interface PlotSize {
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
}

function plotOf(
  panel: Panel,
  all: readonly Series[],
  { width, height, seconds }: PlotSize,
): string {
  const series = all.filter(({ points }) => points.length > 0);
  if (series.length === 0) return `<div class="none">nothing happened</div>`;
  const most = Math.max(...series.flatMap(({ points }) => points.map(([, y]) => y)));
  const top = panel.fieldConfig?.defaults.max ?? niceTop(most, unitOf(panel));
  const left = 60;
  const bottom = height - 14;
  const at = ([x, y]: readonly [number, number]) => {
    const across = left + x / seconds * (width - left);
    return `${across.toFixed(1)},${(bottom - y / top * (bottom - 6)).toFixed(1)}`;
  };
  const lines = [0, 0.5, 1].map((share) => {
    const y = bottom - share * (bottom - 6);
    const name = escaped(quantity(share * top, unitOf(panel)));
    return `<line x1="${left}" x2="${width}" y1="${y}" y2="${y}" stroke="#c9d0d8"/>` +
      `<text x="${left - 4}" y="${y + 3}" text-anchor="end">${name}</text>`;
  });
  const times = [0, 0.5, 1].map((share) => {
    const x = left + share * (width - left);
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    return `<text x="${x}" y="${height - 1}" text-anchor="${anchor}">${
      Math.round(share * seconds)
    } s</text>`;
  });
  const paths = series.map(({ points }, n) =>
    `<polyline points="${points.map(at).join(" ")}" fill="none" stroke="${
      COLORS[n % COLORS.length]
    }" stroke-width="1.4"/>`
  );
  const legend = series.map(({ name }, n) =>
    `<span><i style="background:${COLORS[n % COLORS.length]}"></i>${escaped(name)}</span>`
  );
  return `<svg width="${width}" height="${height}">${lines.join("")}${times.join("")}${
    paths.join("")
  }</svg><div class="legend">${legend.join("")}</div>`;
}

function unitOf(panel: Panel): string {
  return panel.fieldConfig?.defaults.unit ?? "short";
}

/** 1, 2, 2.5 or 5 times a power of ten, so that its half is a number to read. */
function niceTop(most: number, unit: string): number {
  if (most <= 0) return 1;
  if (unit === "bytes" || unit === "Bps") {
    const power = 1024 ** Math.floor(Math.log2(most) / 10);
    return power * niceTop(most / power, "short");
  }
  const power = 10 ** Math.floor(Math.log10(most));
  return power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= most) ?? 10);
}

function quantity(value: number, unit: string): string {
  if (unit === "s") {
    if (value === 0) return "0 s";
    if (value < 0.001) return `${number(value * 1e6)} µs`;
    return value < 1 ? `${number(value * 1000)} ms` : `${number(value)} s`;
  }
  if (unit === "bytes" || unit === "Bps") {
    const per = unit === "Bps" ? "/s" : "";
    const [size, name] = value >= 1 << 20
      ? [value / (1 << 20), "MiB"]
      : value >= 1024
      ? [value / 1024, "KiB"]
      : [value, "B"];
    return `${number(size)} ${name}${per}`;
  }
  if (unit === "percentunit") return `${number(value * 100)} %`;
  return unit === "reqps" || unit === "ops" ? `${number(value)}/s` : number(value);
}

function number(value: number): string {
  if (value >= 10_000) return `${Number((value / 1000).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
