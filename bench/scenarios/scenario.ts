/** What a scenario is: what it measures, on which subjects, and in which words it says so. */
import type { Fleet } from "../servers/fleet.ts";
import type { Subject, SubjectId } from "../servers/subjects.ts";

export interface Metric {
  /** Key of `Sample.values`. */
  readonly name: string;
  readonly unit: "req/s" | "msg/s" | "MB/s" | "ms" | "KiB" | "MiB" | "%" | "x" | "rows";
  readonly better: "higher" | "lower";
}

/** Of one round, in CPU time: it moves far less than wall time on a machine that others use too. */
export interface Cpu {
  /** User and system microseconds an operation; absent where there is no /proc to ask. */
  readonly serverMicros?: number;
  readonly postgresMicros?: number;
  /** Cores kept busy by the load generator, and by everything that is not part of the bench. */
  readonly loadCores?: number;
  readonly otherCores?: number;
}

export interface Sample {
  readonly values: Readonly<Record<string, number>>;
  readonly cpu?: Cpu;
}

/** How hard and how long. */
export interface Effort {
  readonly quick: boolean;
  readonly large: boolean;
  /** Of one timed run of a load generator. */
  readonly seconds: number;
  /** How long the snapshot of the `horizon` scenarios is held. */
  readonly heldSeconds: number;
}

export interface Context {
  readonly subject: Subject;
  readonly fleet: Fleet;
  readonly effort: Effort;
  readonly round: number;
  /** What is made once, in the first round that asks for it: a scenario (unless told), or a run. */
  once<T>(name: string, make: () => Promise<T>, scope?: "scenario" | "run"): Promise<T>;
}

export interface Scenario {
  /** Also what `--only` selects by, by its beginning: `append` selects `append-64`. */
  readonly id: string;
  readonly title: string;
  /** Numbers of the targets in bench/report/targets.ts that rest on it. */
  readonly targets: readonly number[];
  /** The first is the one that is plotted. */
  readonly metrics: readonly Metric[];
  readonly subjects: readonly SubjectId[];
  /** No target rests on them here: a quick run leaves them out. */
  readonly notQuick?: readonly SubjectId[];
  /** Where it is one point of a growth curve: the curve's name, and how far along it. */
  readonly growth?: { readonly curve: string; readonly axis: string; readonly at: number };
  /** For what starts servers of its own every round, and would take an hour otherwise. */
  readonly maxRounds?: number;
  /** Measured only when `--only` names it. */
  readonly onlyNamed?: true;
  run(context: Context): Promise<Sample>;
}

export const THROUGHPUT: readonly Metric[] = [
  { name: "rate", unit: "req/s", better: "higher" },
  { name: "p50", unit: "ms", better: "lower" },
  { name: "p99", unit: "ms", better: "lower" },
];
