/**
 * Tells where a run is: on a terminal one live line, elsewhere a line for each job that is done,
 * `[ 37/112]   4.1 s  tests/system/forks_test.ts  9 passed  (3 min 10 s left)`.
 */
import process from "node:process";
import type { Job, Outcome } from "./job.ts";
import { remaining, type Report } from "./schedule.ts";

const REPAINT_MS = 500;

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** `4.1 s`, `3 min 10 s`. */
export function durationText(ms: number): string {
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `9 passed, 1 failed, 2 skipped`, without what is zero. */
export function countText(counts: Omit<Outcome, "output">): string {
  const parts = (["passed", "failed", "skipped"] as const)
    .filter((key) => counts[key] > 0).map((key) => `${counts[key]} ${key}`);
  return parts.join(", ") || "no test";
}

export class Progress implements Report {
  readonly #jobs: readonly Job[];
  readonly #estimate: (job: Job) => number;
  readonly #cores: number;
  readonly #output: Output;
  readonly #began = performance.now();
  /** When each job that runs began. */
  readonly #running = new Map<Job, number>();
  readonly #done = new Set<Job>();
  readonly #durations = new Map<Job, number>();
  readonly #repaint: ReturnType<typeof setInterval> | undefined;

  constructor(
    jobs: readonly Job[],
    { estimate, cores, output = process.stdout }: {
      estimate: (job: Job) => number;
      cores: number;
      output?: Output;
    },
  ) {
    this.#jobs = jobs;
    this.#estimate = estimate;
    this.#cores = cores;
    this.#output = output;
    this.#write(`${jobs.length} to run, about ${durationText(this.#left())}\n`);
    if (this.#live) this.#repaint = setInterval(() => this.#paint(), REPAINT_MS);
  }

  /** Milliseconds that each finished job took. */
  get durations(): ReadonlyMap<Job, number> {
    return this.#durations;
  }

  started(job: Job): void {
    this.#running.set(job, performance.now());
    this.#paint();
  }

  finished(job: Job, outcome: Outcome): void {
    const took = performance.now() - this.#running.get(job)!;
    this.#running.delete(job);
    this.#done.add(job);
    this.#durations.set(job, took);
    if (this.#live && outcome.failed === 0) return this.#paint();
    const left = this.#done.size < this.#jobs.length
      ? `  (${durationText(this.#left())} left)`
      : "";
    const duration = durationText(took).padStart(10);
    this.#clear();
    this.#write(`${this.#position()} ${duration}  ${job.name}  ${countText(outcome)}${left}\n`);
    this.#paint();
  }

  /** Takes the live line away. */
  end(): void {
    clearInterval(this.#repaint);
    this.#clear();
    this.#write(`${this.#done.size} done in ${durationText(performance.now() - this.#began)}\n`);
  }

  get #live(): boolean {
    return this.#output.isTTY === true;
  }

  #left(): number {
    const now = performance.now();
    return remaining(this.#jobs.filter((job) => !this.#done.has(job)), {
      estimate: this.#estimate,
      cores: this.#cores,
      elapsed: (job) => {
        const began = this.#running.get(job);
        return began === undefined ? undefined : now - began;
      },
    });
  }

  #position(): string {
    const total = String(this.#jobs.length);
    return `[${String(this.#done.size).padStart(total.length)}/${total}]`;
  }

  #paint(): void {
    if (!this.#live) return;
    const now = performance.now();
    const running = [...this.#running]
      .map(([job, began]) => `${shortName(job.name)} ${durationText(now - began)}`);
    const line = `${this.#position()} ${durationText(now - this.#began)}, about ` +
      `${durationText(this.#left())} left: ${running.join(", ")}`;
    this.#clear();
    this.#write(line.slice(0, (this.#output.columns ?? 100) - 1));
  }

  #clear(): void {
    if (this.#live) this.#write("\r\x1b[2K");
  }

  #write(text: string): void {
    this.#output.write(text);
  }
}

function shortName(name: string): string {
  return name.replace(/^tests\//, "").replace(/_test\.ts$/, "");
}
