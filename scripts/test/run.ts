/** Runs jobs, tells where they are, and prints in full what failed. */
import { availableParallelism } from "node:os";
import { Durations } from "./durations.ts";
import type { Job, Outcome } from "./job.ts";
import { countText, Progress } from "./progress.ts";
import { runAll } from "./schedule.ts";

export type Counts = Omit<Outcome, "output">;

export async function runJobs(jobs: readonly Job[]): Promise<Counts> {
  const cores = availableParallelism();
  const durations = new Durations();
  const estimate = ({ name }: Job) => durations.estimate(name);
  const progress = new Progress(jobs, { estimate, cores });
  const outcomes = await runAll(jobs, { estimate, cores, report: progress });
  progress.end();
  for (const [job, ms] of progress.durations) {
    // One that failed may have ended early, or waited for what did not come.
    if (outcomes.get(job)!.failed === 0) durations.record(job.name, ms);
  }
  durations.save();
  printFailures(outcomes);
  const all = [...outcomes.values()];
  const sum = (key: "passed" | "failed" | "skipped") =>
    all.reduce((total, outcome) => total + outcome[key], 0);
  return { passed: sum("passed"), failed: sum("failed"), skipped: sum("skipped") };
}

function printFailures(outcomes: ReadonlyMap<Job, Outcome>): void {
  for (const [job, outcome] of outcomes) {
    if (outcome.failed === 0) continue;
    console.log(`\n──── ${job.name}: ${countText(outcome)} ────\n${outcome.output.trim()}`);
    if (job.name.endsWith(".ts")) console.log(`\nrun it again: deno task test ${job.name}`);
  }
}
