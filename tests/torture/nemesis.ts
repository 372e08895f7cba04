/** Injects faults, one or two at a time, as the seed decides, and ends each of them. */
import type { Cluster } from "./cluster.ts";
import { applicable, type FaultKind, KILL_NODE } from "./faults.ts";
import type { HistoryRecorder } from "./history.ts";
import type { Random } from "./random.ts";
import { readOn } from "./readers.ts";
import { type RunState, sleep } from "./run_state.ts";

/** The time between two faults, in which the cluster recovers a little. Milliseconds. */
const SHORTEST_REST_MS = 300;
const LONGEST_REST_MS = 3000;
const ROUNDS_PER_WINDOW = 8;
/** A half-open LISTEN is noticed within six seconds, other half-open connections within three. */
const RECOVERY_MS = 8000;
const WINDOW_MS = 3000;
/** How long a node runs between two kills. Milliseconds. */
const SHORTEST_UPTIME_MS = 50;
const LONGEST_UPTIME_MS = 1500;

export async function injectFaults(run: RunState, cluster: Cluster, random: Random): Promise<void> {
  const kinds = applicable(cluster);
  const weights = Object.fromEntries(kinds.map((kind) => [kind.name, kind.weight]));
  const byName = new Map(kinds.map((kind) => [kind.name, kind]));
  const draw = () => byName.get(random.weighted(weights))!;
  for (let rounds = 1; !run.ending; rounds++) {
    if (rounds % ROUNDS_PER_WINDOW === 0) await keepRecoveryWindow(run, cluster);
    await sleep(random.between(SHORTEST_REST_MS, LONGEST_REST_MS));
    if (run.ending) break;
    const first = draw();
    const second = draw();
    const both = random.chance(0.3) && second.part !== first.part;
    const chosen = both ? [first, second] : [first];
    await Promise.all(chosen.map((kind) => injectFault(kind, cluster, run, random.fork())));
  }
}

/** Injects nothing for a while: first time to recover, and then the window in which all must work. */
async function keepRecoveryWindow(run: RunState, cluster: Cluster): Promise<void> {
  // Half-open connections of the clients are cut, because noticing those is not the server's part.
  for (const { front } of cluster.nodes) front.cut("stalled");
  await rest(run, RECOVERY_MS);
  const from = run.history.now();
  await rest(run, WINDOW_MS);
  run.history.recoveryWindows.push({ from, to: run.history.now() });
}

async function rest(run: RunState, ms: number): Promise<void> {
  const until = run.history.now() + ms;
  while (run.history.now() < until && !run.ending) await sleep(100);
}

/** Kills nodes while they work, and reads every stream in use after each time. */
export async function kill(
  run: RunState,
  cluster: Cluster,
  random: Random,
  times: number,
): Promise<void> {
  const client = run.client("inspector");
  for (let count = 0; count < times; count++) {
    await sleep(random.between(SHORTEST_UPTIME_MS, LONGEST_UPTIME_MS));
    await injectFault(KILL_NODE, cluster, run, random.fork());
    for (const stream of run.open) await readOn(client, stream, 0, run.node(random));
  }
}

/** Injects one fault, and records when. */
export async function injectFault(
  kind: FaultKind,
  cluster: Cluster,
  run: RunState,
  random: Random,
): Promise<void> {
  const history: HistoryRecorder = run.history;
  const { name, part } = kind;
  const fault = { kind: name, part, target: "", from: history.now(), to: Infinity };
  history.faults.push(fault);
  try {
    fault.target = await kind.inject({ cluster, run, random });
  } catch (error) {
    fault.target = `failed: ${(error as Error).message.slice(0, 300)}`;
  }
  fault.to = history.now();
}
