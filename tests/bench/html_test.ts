import assert from "node:assert/strict";
import { renderHtml } from "../../bench/report/html.ts";
import { barPlot, linePlot } from "../../bench/report/plots.ts";
import { verdicts } from "../../bench/report/targets.ts";
import { SAMPLE_FIGURES, sampleRun } from "./sample_run.ts";

const judged = verdicts(SAMPLE_FIGURES);
const page = renderHtml(sampleRun(), judged);

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

const bar = { label: "a", min: 0, series: 0, text: "" };

Deno.test("bars are as long as their share of the largest, the spread included", () => {
  const plot = barPlot([{ ...bar, value: 50, max: 100 }, { ...bar, value: 25, max: 25 }], "ms");
  const widths = [...plot.matchAll(/class="bar[^>]*width:([\d.]+)%/g)].map(([, width]) =>
    Number(width)
  );
  assert.deepEqual(widths, [50, 25]);
});

Deno.test("values far apart are dots on a logarithmic axis, none of them flattened", () => {
  const values = [1000, 10_000, 100_000];
  const plot = barPlot(values.map((value) => ({ ...bar, value, min: value, max: value })), "ms");
  const lefts = [...plot.matchAll(/class="dot[^>]*left:([\d.]+)%/g)].map(([, left]) =>
    Number(left)
  );
  assert.deepEqual(lefts, [0, 50, 100]);
  for (const tick of ["1K", "10K", "100K"]) assert.ok(plot.includes(`>${tick}</b>`));
  assert.ok(!plot.includes('class="bar'));
});

Deno.test("every section is in the list of contents, and nothing else", () => {
  const linked = [...page.matchAll(/<a href="#([^"]+)"/g)].map(([, id]) => id);
  const sections = [...page.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id);
  assert.ok(sections.includes("append-64") && sections.length === new Set(sections).size);
  assert.deepEqual(linked, sections);
});

Deno.test("a quick run says so, and judges nothing", () => {
  const full = sampleRun();
  const quick = renderHtml({ ...full, effort: { ...full.effort, quick: true } }, judged);
  assert.match(quick, /class="banner">quick run: indicative, targets not judged</);
  assert.ok(!/class="(met|missed)">(not )?met/.test(quick) && quick.includes("52 %"));
  assert.match(page, /<td class="met">met/);
  assert.ok(!page.includes('class="banner"'));
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
