import assert from "node:assert/strict";
import { renderHtml } from "../../bench/report/html.ts";
import { barPlot, linePlot } from "../../bench/report/plots.ts";
import { verdicts } from "../../bench/report/targets.ts";
import { SAMPLE_FIGURES, sampleRun } from "./sample_run.ts";

const page = renderHtml(sampleRun(), verdicts(SAMPLE_FIGURES));

Deno.test("the page needs nothing beside it", () => {
  assert.ok(page.startsWith("<!doctype html>"));
  assert.ok(!/<script|<link|<img|@import|url\(|https?:/.test(page));
});

Deno.test("the page has bars for throughput and for both percentiles, and a growth curve", () => {
  for (const heading of ["rate, req/s", "p50, ms", "p99, ms", "append over many streams"]) {
    assert.ok(page.includes(heading), heading);
  }
  assert.equal(page.match(/<polyline/g)?.length, 1);
  assert.equal(page.match(/<circle/g)?.length, 2);
});

Deno.test("what comes from outside is escaped", () => {
  assert.ok(page.includes("A &lt;fast&gt; CPU") && page.includes("append &amp; more"));
  assert.ok(page.includes("no &lt;network&gt;") && !page.includes("<network>"));
});

Deno.test("every element that is opened is closed", () => {
  const open: string[] = [];
  const empty = new Set(["meta", "!doctype", "line", "rect"]);
  for (const [, slash, name = "", rest = ""] of page.matchAll(/<(\/?)([a-z0-9!]+)([^>]*)>/g)) {
    if (empty.has(name) || rest.endsWith("/")) continue;
    if (slash === "") open.push(name);
    else assert.equal(open.pop(), name);
  }
  assert.deepEqual(open, []);
});

Deno.test("bars are as long as their share of the largest, the spread included", () => {
  const bar = { label: "a", min: 0, series: 0, text: "" };
  const plot = barPlot([{ ...bar, value: 50, max: 100 }, { ...bar, value: 25, max: 25 }], "ms");
  const widths = [...plot.matchAll(/<rect[^>]* width="([\d.]+)"/g)].map(([, width]) =>
    Number(width)
  );
  assert.deepEqual(widths, [235, 117.5]);
});

Deno.test("a curve's points stand in the order of powers of ten", () => {
  const points = [10, 100, 1000].map((x) => ({ x, y: x }));
  const plot = linePlot([{ label: "a", series: 0, points }], {
    axis: "n",
    unit: "/s",
    text: String,
  });
  const [a = 0, b = 0, c = 0] = [...plot.matchAll(/cx="([\d.]+)"/g)].map(([, x]) => Number(x));
  assert.ok(Math.abs((b - a) - (c - b)) < 0.2);
});
