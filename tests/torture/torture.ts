/** One run: a cluster, clients, harm, and then the proof. */
import { check } from "./checker/check.ts";
import type { Violation } from "./checker/violation.ts";
import { Cluster, type Topology } from "./cluster.ts";
import { HistoryRecorder } from "./history.ts";
import { harm } from "./nemesis.ts";
import { Random } from "./random.ts";
import { RunState, sleep } from "./run_state.ts";
import { settle } from "./settle.ts";
import { work } from "./workload.ts";
import type { Runtime } from "../support/server.ts";

export interface TortureOptions {
  readonly topology: Topology;
  readonly seed: number;
  /** How long there is harm. */
  readonly ms: number;
  readonly nodes: number;
  readonly runtime: Runtime;
  /** Lives of streams at once. */
  readonly streams: number;
  readonly thinkMs: number;
  /** Told how it goes. */
  readonly say: (line: string) => void;
}

export interface TortureResult {
  readonly history: HistoryRecorder;
  readonly violations: readonly Violation[];
  /** What went wrong beside the history: nodes that ended, streams that could not be read. */
  readonly troubles: readonly string[];
}

const TELL_MS = 30_000;

export async function torture(options: TortureOptions): Promise<TortureResult> {
  const random = new Random(options.seed);
  const cluster = await Cluster.start(options);
  try {
    const history = new HistoryRecorder();
    const urls = cluster.nodes.map((node) => node.url);
    const run = new RunState(urls, history, options.thinkMs);
    const lives = { streams: options.streams, duration: Math.min(options.ms / 3, 20_000) };
    const working = work(run, lives, random.fork());
    const harming = harm(run, cluster, random.fork());
    const telling = setInterval(() => {
      const { operations, faults } = history;
      options.say(`${operations.length} operations, ${faults.length} faults`);
    }, TELL_MS);
    await sleep(options.ms);
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
      violations: check(history),
      troubles: [...crashes, ...unread.map((what) => `could not be read in the end: ${what}`)],
    };
  } finally {
    await cluster.stop();
  }
}
