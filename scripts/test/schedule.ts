/** Which job runs when: longest first, in three rounds, one for each company. */
import { COMPANIES, type Company, type Job, type Outcome } from "./job.ts";

export interface Report {
  started(job: Job): void;
  finished(job: Job, outcome: Outcome): void;
}

/** How many jobs of a company run side by side on a machine with so many cores. */
export function widthOf(company: Company, cores: number): number {
  // Most system tests wait rather than compute. The bound is for the shared PostgreSQL's sake.
  if (company === "any") return Math.min(6, Math.max(2, 2 * cores));
  return company === "quiet" ? 2 : 1;
}

/** The jobs of each company, the longest first, so that no long one begins when all others end. */
export function rounds(jobs: readonly Job[], estimate: (job: Job) => number): Job[][] {
  return COMPANIES.map((company) =>
    jobs.filter((job) => job.company === company)
      .sort((a, b) => urgency(b) - urgency(a))
  );

  /** A job that others wait for is as long as itself and the longest of those. */
  function urgency(job: Job): number {
    const waiting = jobs.filter(({ after }) => after === job.name).map(estimate);
    return estimate(job) + Math.max(0, ...waiting);
  }
}

/**
 * Milliseconds until all is done, if each job takes its estimate.
 * @param elapsed of a job that runs, how long it has; undefined of one that has not begun
 */
export function remaining(
  jobs: readonly Job[],
  { estimate, elapsed, cores }: {
    estimate: (job: Job) => number;
    elapsed: (job: Job) => number | undefined;
    cores: number;
  },
): number {
  let total = 0;
  for (const round of rounds(jobs, estimate)) {
    const slots = Array.from<number>({ length: widthOf(round[0]?.company ?? "any", cores) }).fill(
      0,
    );
    const begun = round.filter((job) => elapsed(job) !== undefined);
    for (const job of [...begun, ...round.filter((job) => !begun.includes(job))]) {
      const first = slots.indexOf(Math.min(...slots));
      slots[first]! += Math.max(0, estimate(job) - (elapsed(job) ?? 0));
    }
    total += Math.max(...slots);
  }
  return total;
}

/** Runs every job; resolves with their outcomes. */
export async function runAll(
  jobs: readonly Job[],
  { estimate, cores, report }: {
    estimate: (job: Job) => number;
    cores: number;
    report: Report;
  },
): Promise<Map<Job, Outcome>> {
  const outcomes = new Map<Job, Outcome>();
  for (const round of rounds(jobs, estimate)) {
    const width = widthOf(round[0]?.company ?? "any", cores);
    await runRound(round, { width, outcomes, report });
  }
  return outcomes;
}

async function runRound(
  round: readonly Job[],
  { width, outcomes, report }: {
    width: number;
    outcomes: Map<Job, Outcome>;
    report: Report;
  },
): Promise<void> {
  const waiting = [...round];
  const running = new Set<Promise<void>>();
  const outcomeOf = (name: string) => [...outcomes].find(([job]) => job.name === name)?.[1];
  const run = async (job: Job) => {
    report.started(job);
    const before = job.after === undefined ? undefined : outcomeOf(job.after);
    const outcome = (before?.failed ?? 0) > 0 ? failure(`${job.after} failed`) : await attempt(job);
    outcomes.set(job, outcome);
    report.finished(job, outcome);
  };
  while (waiting.length > 0 || running.size > 0) {
    const ready = waiting.findIndex(({ after }) => after === undefined || outcomeOf(after));
    if (ready < 0 && running.size === 0) {
      throw new Error(`${waiting[0]!.name} waits for ${waiting[0]!.after}, which is not run`);
    }
    if (ready >= 0 && running.size < width) {
      const [job] = waiting.splice(ready, 1);
      const done = run(job!).then(() => void running.delete(done));
      running.add(done);
    } else {
      await Promise.race(running);
    }
  }
}

function attempt(job: Job): Promise<Outcome> {
  return job.run().catch((error) => failure(error instanceof Error ? error.stack! : String(error)));
}

function failure(output: string): Outcome {
  return { passed: 0, failed: 1, skipped: 0, output };
}
