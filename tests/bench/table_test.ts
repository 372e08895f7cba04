import assert from "node:assert/strict";
import { short } from "../../bench/report/numbers.ts";
import { aligned, renderTable, renderTargets } from "../../bench/report/table.ts";
import { verdicts } from "../../bench/report/targets.ts";
import { SAMPLE_FIGURES, sampleRun } from "./sample_run.ts";

function lineOf(text: string, beginning: string): string {
  const line = text.split("\n").find((line) => line.trim().startsWith(beginning));
  assert.ok(line !== undefined, `no line begins with ${beginning}`);
  return line;
}

Deno.test("a row has the median, the spread, the share of the empty handler, and the CPU", () => {
  const row = lineOf(renderTable(sampleRun()), "Penstock, Deno + PostgreSQL");
  for (const part of ["26,000 req/s", "25,000 – 31,000", "p50 2 ms, p99 9.5 ms", "52 %", "38.5"]) {
    assert.ok(row.includes(part), `${part} is not in: ${row}`);
  }
});

Deno.test("a failure is a row with its reason, beside what was measured before it", () => {
  const table = renderTable(sampleRun());
  assert.match(lineOf(table, "official server, files"), /failed: no <network>/);
  assert.match(lineOf(table, "official server, memory"), /10,000 req\/s.*then failed: ended early/);
});

Deno.test("a target is met or not, and one that was not measured is only named", () => {
  const text = renderTargets(verdicts(SAMPLE_FIGURES), { quick: false });
  assert.match(lineOf(text, "1  append, 64: share of the empty handler (Deno)"), /52 % .* met$/);
  assert.match(text, /over the official server in memory \(Deno\).*2\.6 x/);
  assert.ok(!text.includes("with files"));
  assert.match(text, /not measured, or only in part: 1, 2,/);
});

Deno.test("a target that asks for less is met by less", () => {
  const metrics = [{ name: "ready", unit: "ms", better: "lower" }] as const;
  const figure = { scenario: "start", title: "", subject: "binary+postgres", metrics } as const;
  const judge = (ready: number) =>
    verdicts([{ ...figure, samples: [{ values: { ready } }] }])
      .find(({ met }) => met !== undefined)?.met;
  assert.equal(judge(250), true);
  assert.equal(judge(251), false);
});

Deno.test("columns are padded to their widest cell; headings take no part", () => {
  assert.deepEqual(
    aligned([["# a heading that is long"], ["a", "1 x", "z"], ["bbb", "100 x", "z"]]),
    ["# a heading that is long", "a      1 x  z", "bbb  100 x  z"],
  );
});

Deno.test("numbers keep three digits that matter", () => {
  assert.deepEqual(
    [12_345.6, 123.4, 12.34, 1.234, 0.1234, undefined, NaN].map(short),
    ["12,346", "123", "12.3", "1.23", "0.123", "–", "–"],
  );
});
