/** A plot of the last minutes. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { appearance } from "../preferences.ts";

export interface Series {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

export interface PlotProps {
  readonly title: string;
  /** What the newest value is, as text. */
  readonly now: string;
  readonly times: readonly number[];
  readonly series: readonly Series[];
  format(value: number): string;
  /** The least that the axis reaches to; it has no steps smaller than a whole number then. */
  readonly reach?: number;
}

const HEIGHT = 120;
/** Seconds in sight, however few samples there are yet. */
const SPAN = 120;
/** Steps of an axis of counts or bytes. */
const WHOLE = [0, 1, 2, 3, 4].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power)).concat(
  Array.from({ length: 28 }, (_, power) => 2 ** (power + 14)),
);

export function Plot({ title, now, times, series, format, reach }: PlotProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const look = appearance.value;
  const labels = series.map(({ label }) => label).join("|");

  useEffect(() => {
    const element = host.current!;
    const made = new uPlot(
      optionsOf(element.clientWidth, series.map(({ label }) => label), { format, reach }),
      [[], ...series.map(() => [])] as unknown as uPlot.AlignedData,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: HEIGHT })
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [look, labels]);

  useEffect(() => {
    plot.current?.setData(
      [
        [...times],
        ...series.map(({ values }) => [...values]),
      ] as uPlot.AlignedData,
    );
  });

  return (
    <section class="plot" aria-label={`${title}: ${now}`}>
      <header class="plot-head">
        <h2>{title}</h2>
        <span class="plot-now">{now}</span>
      </header>
      <div ref={host} class="plot-canvas" aria-hidden="true" />
      {series.length > 1 && (
        <ul class="plot-legend" aria-hidden="true">
          {series.map(({ label }, index) => <li key={label} class={`series-${index}`}>{label}</li>)}
        </ul>
      )}
    </section>
  );
}

function optionsOf(
  width: number,
  labels: readonly string[],
  { format, reach }: {
    readonly format: (value: number) => string;
    readonly reach: number | undefined;
  },
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: color("--text-3"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 4, 0, 0],
    scales: {
      x: { time: true, range: (_, __, max) => [(max ?? 0) - SPAN, max ?? 0] },
      y: { range: (_, __, max) => [0, Math.max(reach ?? 0, max > 0 ? max * 1.15 : reach ?? 1)] },
    },
    axes: [
      {
        ...axis,
        size: 22,
        space: 80,
        grid: { show: false },
        values: (_, splits) => splits.map((value) => value === null ? "" : timeOf(value)),
      },
      {
        ...axis,
        size: 54,
        ...reach === undefined ? {} : { incrs: WHOLE },
        space: 34,
        values: (_, splits) => splits.map((value) => value === null ? "" : format(value)),
      },
    ],
    series: [
      {},
      ...labels.map((label, index): uPlot.Series => ({
        label,
        stroke: color(`--series-${index}`),
        width: 1.5,
        points: { show: false },
        ...index === 0 ? { fill: color("--series-fill") } : {},
      })),
    ],
  };
}

function timeOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  const pad = (value: number) => String(value).padStart(2, "0");
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}
