/** One run: a cluster, clients, harm, and then the proof. */
import process from "node:process";
import { type Calm, measure } from "./calm.ts";
import { check } from "./checker/check.ts";
import type { Violation } from "./checker/violation.ts";
import { Cluster, type Topology } from "./cluster.ts";
import { HistoryRecorder } from "./history.ts";
import { harm, kill } from "./nemesis.ts";
import { Random } from "./random.ts";
import { RunState, sleep } from "./run_state.ts";
import { settle } from "./settle.ts";
import { work } from "./workload.ts";
import type { Runtime } from "../support/server.ts";

export interface TortureOptions {
  readonly topology: Topology;
  readonly seed: number;
  /** How long there is harm of any kind, or how often a node is killed and nothing else. */
  readonly until: { readonly ms: number } | { readonly kills: number };
  readonly nodes: number;
  readonly runtime: Runtime;
  /** Lives of streams at once. */
  readonly streams: number;
  readonly thinkMs: number;
  /** Wake-ups and fairness, before there is harm. */
  readonly measure: boolean;
  /** Told how it goes. */
  readonly say: (line: string) => void;
}

export interface TortureResult {
  readonly history: HistoryRecorder;
  readonly calm: Calm | null;
  readonly violations: readonly Violation[];
  /** What went wrong beside the history: nodes that ended, streams that could not be read. */
  readonly troubles: readonly string[];
  /** What each node logged. */
  readonly logs: readonly string[];
}

/** Of a stream, about: what is read in full over and over should not be large. */
const LIFE_MS = 20_000;
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
    const calm = options.measure && cluster.nodes.length > 1 ? await measure(run) : null;
    const { until } = options;
    const duration = "ms" in until ? Math.min(until.ms / 3, LIFE_MS) : LIFE_MS;
    const working = work(run, { streams: options.streams, duration }, random.fork());
    const own = random.fork();
    const harming = "ms" in until ? harm(run, cluster, own) : kill(run, cluster, own, until.kills);
    const telling = setInterval(() => {
      const { operations, faults } = history;
      options.say(`${operations.length} operations, ${faults.length} faults`);
    }, TELL_MS);
    if ("ms" in until) await sleep(until.ms);
    else await harming;
    run.ending = true;
    await harming;
    run.healedAt = history.now();
    const survivors = await working;
    clearInterval(telling);
    const unread = await settle(run, survivors);
    const crashes = cluster.nodes.flatMap(({ index, crashes }) =>
      crashes.map((last) => `node ${index} ended by itself:\n${last}`)
    );
    return {
      history,
      calm,
      violations: check(history),
      logs: cluster.nodes.map((node) => node.log),
      troubles: [...crashes, ...unread.map((what) => `could not be read in the end: ${what}`)],
    };
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
    await cluster.stop();
  }
}
