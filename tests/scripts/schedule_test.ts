/** The order in which `deno task test` runs its jobs, and the time that it says is left. */
import assert from "node:assert/strict";
import type { Company, Job, Outcome } from "../../scripts/test/job.ts";
import { countText, durationText, Progress } from "../../scripts/test/progress.ts";
import { remaining, rounds, runAll, widthOf } from "../../scripts/test/schedule.ts";
import { needsOf } from "../../scripts/test/test_file.ts";

const passed: Outcome = { passed: 1, failed: 0, skipped: 0, output: "" };
const failed: Outcome = { passed: 0, failed: 1, skipped: 0, output: "no" };
const silent = { started: () => {}, finished: () => {} };

function job(
  name: string,
  { company = "any", after, run = () => Promise.resolve(passed) }: {
    company?: Company;
    after?: string;
    run?: () => Promise<Outcome>;
  } = {},
): Job {
  return { name, company, run, ...after === undefined ? {} : { after } };
}

/** The number at the end of a name, in milliseconds. */
const estimate = ({ name }: Job) => Number(/\d+$/.exec(name)?.[0] ?? 0);
const names = (jobs: readonly Job[]) => jobs.map(({ name }) => name);

Deno.test("the longest job of a round begins first, counting what waits for it", () => {
  const jobs = [
    job("a1"),
    job("b5"),
    job("c3"),
    job("d4", { after: "c3" }),
    job("q9", {
      company: "quiet",
    }),
  ];
  assert.deepEqual(rounds(jobs, estimate).map(names), [["c3", "b5", "d4", "a1"], ["q9"], []]);
});

Deno.test("no more jobs run side by side than their company allows, and all of them run", async () => {
  for (const company of ["any", "quiet", "alone"] as const) {
    let now = 0;
    let most = 0;
    const run = async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      return passed;
    };
    const jobs = Array.from({ length: 20 }, (_, at) => job(`${company}${at}`, { company, run }));
    const outcomes = await runAll(jobs, { estimate, cores: 2, report: silent });
    assert.equal(outcomes.size, 20);
    assert.equal(most, widthOf(company, 2));
  }
});

Deno.test("a job waits for the one it comes after, and fails without it", async () => {
  const ran: string[] = [];
  const run = (name: string, outcome: Outcome) => () => {
    ran.push(name);
    return Promise.resolve(outcome);
  };
  const options = { estimate, cores: 2, report: silent };
  const second = job("second9", { after: "first1", run: run("second", passed) });
  await runAll([second, job("first1", { run: run("first", passed) })], options);
  assert.deepEqual(ran, ["first", "second"]);

  const outcomes = await runAll([second, job("first1", { run: run("bad", failed) })], options);
  assert.equal(outcomes.get(second)?.failed, 1);
  assert.deepEqual(ran, ["first", "second", "bad"]);
  await assert.rejects(runAll([second], options), /waits for first1, which is not run/);
});

Deno.test("a job that throws fails, and the others run", async () => {
  const broken = job("broken", { run: () => Promise.reject(new Error("out of order")) });
  const outcomes = await runAll([broken, job("a")], { estimate, cores: 2, report: silent });
  assert.match(outcomes.get(broken)!.output, /out of order/);
  assert.equal(outcomes.size, 2);
});

Deno.test("the time left counts what runs side by side once, and what has gone by not at all", () => {
  const jobs = [job("a8"), job("b8"), job("c8"), job("d8"), job("e4", { company: "alone" })];
  const options = { estimate, cores: 2, elapsed: () => undefined };
  assert.equal(remaining(jobs, options), 8 + 4);
  const elapsed = ({ name }: Job) => name === "a8" ? undefined : 6;
  assert.equal(remaining(jobs, { ...options, elapsed }), 8);
  assert.equal(remaining([], options), 0);
});

Deno.test("away from a terminal there is a line for each job, on one a live line", () => {
  const jobs = [job("tests/one_test.ts"), job("tests/two_test.ts")];
  const show = (isTTY: boolean) => {
    let text = "";
    const output = { isTTY, columns: 80, write: (more: string) => text += more };
    const progress = new Progress(jobs, { estimate: () => 60_000, cores: 2, output });
    progress.started(jobs[0]!);
    progress.finished(jobs[0]!, passed);
    progress.started(jobs[1]!);
    progress.finished(jobs[1]!, failed);
    progress.end();
    return text;
  };
  const lines = show(false).split("\n");
  assert.match(lines[0]!, /^2 to run, about 1 min 0 s$/);
  assert.match(
    lines[1]!,
    /^\[1\/2\] +\d\.\d s {2}tests\/one_test\.ts {2}1 passed {2}\(1 min 0 s left\)$/,
  );
  assert.match(lines[2]!, /^\[2\/2\] +\d\.\d s {2}tests\/two_test\.ts {2}1 failed$/);
  const live = show(true);
  assert.ok(live.includes("\r\x1b[2K[0/2] 0.0 s, about 1 min 0 s left: one 0.0 s"), live);
  assert.ok(!live.includes("one_test.ts"), "a file that passed has no line of its own");
  assert.match(live, /two_test\.ts {2}1 failed\n/);
});

Deno.test("texts of durations and counts", () => {
  assert.deepEqual([0, 4120, 9960, 59_400, 190_000].map(durationText), [
    "0.0 s",
    "4.1 s",
    "10 s",
    "59 s",
    "3 min 10 s",
  ]);
  assert.equal(countText({ passed: 9, failed: 0, skipped: 2 }), "9 passed, 2 skipped");
  assert.equal(countText({ passed: 0, failed: 0, skipped: 0 }), "no test");
});

Deno.test("a file's markers say what it may run beside and after, with a reason", () => {
  assert.deepEqual(needsOf("// nothing\n"), { company: "any", afterCompile: false });
  const both = "/** A. */\n// Runs alone: it floods.\n// Runs after compile: it runs the binary.\n";
  assert.deepEqual(needsOf(both), { company: "alone", afterCompile: true });
  assert.throws(() => needsOf("// Runs alone\n"), /REASON/);
  assert.throws(() => needsOf("// Runs fast: it can.\n"), /WHAT/);
});
