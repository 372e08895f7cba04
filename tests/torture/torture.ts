/** One run: a cluster, its clients, injected faults, and then the check of the history. */
import process from "node:process";
import { type Baseline, measure } from "./baseline.ts";
import { check } from "./checker/check.ts";
import type { Violation } from "./checker/violation.ts";
import { Cluster, type Topology } from "./cluster.ts";
import { HistoryRecorder } from "./history.ts";
import { injectFaults, kill } from "./nemesis.ts";
import { Random } from "./random.ts";
import { RunState, sleep } from "./run_state.ts";
import { settle } from "./settle.ts";
import { work } from "./workload.ts";
import type { Runtime } from "../support/server.ts";

export interface TortureOptions {
  readonly topology: Topology;
  readonly seed: number;
  /** How long to inject faults of any kind; or how often to kill a node, without other faults. */
  readonly until: { readonly ms: number } | { readonly kills: number };
  readonly nodes: number;
  readonly runtime: Runtime;
  /** How many streams the workload has at once. */
  readonly streams: number;
  readonly thinkMs: number;
  /** Whether to measure the baseline before any fault. */
  readonly measure: boolean;
  /** Called with lines on the progress of the run. */
  readonly say: (line: string) => void;
}

export interface TortureResult {
  readonly history: HistoryRecorder;
  readonly baseline: Baseline | null;
  readonly violations: readonly Violation[];
  /** What went wrong beside the history: nodes that ended, streams that could not be read. */
  readonly troubles: readonly string[];
  /** How many nodes their runtime ended while they could open no file. */
  readonly panics: number;
  /** What each node logged. */
  readonly logs: readonly string[];
}

/** About the lifetime of a stream, which must not grow large, because it is often read in full. */
const LIFETIME_MS = 20_000;
const TELL_MS = 30_000;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

export async function torture(options: TortureOptions): Promise<TortureResult> {
  const random = new Random(options.seed);
  const cluster = await Cluster.start(options);
  // A Ctrl-C reaches the nodes by itself; disks and servers would stay.
  const leave = () => void cluster.stop().finally(() => process.exit(130));
  for (const signal of SIGNALS) process.once(signal, leave);
  try {
    const history = new HistoryRecorder();
    const ports = cluster.nodes.map((node) => node.front.port);
    const run = new RunState(ports, history, options.thinkMs);
    const baseline = options.measure && cluster.nodes.length > 1 ? await measure(run) : null;
    const { until } = options;
    const duration = "ms" in until ? Math.min(until.ms / 3, LIFETIME_MS) : LIFETIME_MS;
    const working = work(run, { streams: options.streams, duration }, random.fork());
    const own = random.fork();
    const injecting = "ms" in until
      ? injectFaults(run, cluster, own)
      : kill(run, cluster, own, until.kills);
    const telling = setInterval(() => {
      const { operations, faults } = history;
      options.say(`${operations.length} operations, ${faults.length} faults`);
    }, TELL_MS);
    if ("ms" in until) await sleep(until.ms);
    else await injecting;
    run.ending = true;
    await injecting;
    run.healedAt = history.now();
    const remaining = await working;
    clearInterval(telling);
    const unread = await settle(run, remaining);
    const crashes = cluster.nodes.flatMap(({ index, crashes }) =>
      crashes.map((last) => `node ${index} ended by itself:\n${last}`)
    );
    return {
      history,
      baseline,
      violations: check(history),
      panics: cluster.nodes.reduce((sum, { panics }) => sum + panics, 0),
      logs: cluster.nodes.map((node) => node.log),
      troubles: [...crashes, ...unread.map((what) => `could not be read in the end: ${what}`)],
    };
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
    await cluster.stop();
  }
}
