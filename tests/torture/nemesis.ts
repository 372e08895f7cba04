/** Does harm, one or two things at a time, as the seed says, and puts each right again. */
import type { Cluster } from "./cluster.ts";
import { applicable, type FaultKind, KILL_NODE } from "./faults.ts";
import type { HistoryRecorder } from "./history.ts";
import type { Random } from "./random.ts";
import { readOn } from "./readers.ts";
import { type RunState, sleep } from "./run_state.ts";

/** Between two faults, so that there is something to break again. Milliseconds. */
const SHORTEST_REST_MS = 300;
const LONGEST_REST_MS = 3000;
const ROUNDS_TO_PEACE = 8;
/** A dead LISTEN is noticed within six seconds, dead connections within three. */
const RECOVERY_MS = 8000;
const PEACE_MS = 3000;
/** How long a node that is killed over and over lives. Milliseconds. */
const SHORTEST_LIFE_MS = 50;
const LONGEST_LIFE_MS = 1500;

export async function harm(run: RunState, cluster: Cluster, random: Random): Promise<void> {
  const kinds = applicable(cluster);
  const weights = Object.fromEntries(kinds.map((kind) => [kind.name, kind.weight]));
  const byName = new Map(kinds.map((kind) => [kind.name, kind]));
  const draw = () => byName.get(random.weighted(weights))!;
  for (let rounds = 1; !run.ending; rounds++) {
    if (rounds % ROUNDS_TO_PEACE === 0) await peace(run, cluster);
    await sleep(random.between(SHORTEST_REST_MS, LONGEST_REST_MS));
    if (run.ending) break;
    const first = draw();
    const second = draw();
    const both = random.chance(0.3) && second.part !== first.part;
    const chosen = both ? [first, second] : [first];
    await Promise.all(chosen.map((kind) => inflict(kind, cluster, run, random.fork())));
  }
}

/** Nothing goes wrong for a while: time to recover, and then some in which everything must work. */
async function peace(run: RunState, cluster: Cluster): Promise<void> {
  // The clients' own dead connections are theirs to notice, not the server's.
  for (const { front } of cluster.nodes) front.cut("stalled");
  await rest(run, RECOVERY_MS);
  const from = run.history.now();
  await rest(run, PEACE_MS);
  run.history.peace.push({ from, to: run.history.now() });
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
    await sleep(random.between(SHORTEST_LIFE_MS, LONGEST_LIFE_MS));
    await inflict(KILL_NODE, cluster, run, random.fork());
    for (const stream of run.open) await readOn(client, stream, 0, run.node(random));
  }
}

/** Does one thing, and writes down when. */
export async function inflict(
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
    fault.target = await kind.inflict({ cluster, run, random });
  } catch (error) {
    fault.target = `failed: ${(error as Error).message.slice(0, 300)}`;
  }
  fault.to = history.now();
}
