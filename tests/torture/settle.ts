/** The end of a run, after all faults: every remaining stream is read in full, from every node. */
import type { RemainingStream } from "./owner.ts";
import { readOn } from "./readers.ts";
import { type RunState, sleep } from "./run_state.ts";

/** For what does not go at once, all in all. */
const LIMIT_MS = 30_000;

/** @returns what could not be read: streams and nodes */
export async function settle(
  run: RunState,
  remaining: readonly RemainingStream[],
): Promise<string[]> {
  const client = run.client("settler");
  const failed: string[] = [];
  const deadline = performance.now() + LIMIT_MS;
  for (const { name } of remaining) {
    for (let node = 0; node < client.nodes; node++) {
      const pieces = await persist(deadline, () => readOn(client, name, 0, node));
      if (pieces === null) failed.push(`${name.path} on node ${node}`);
      else run.history.settled.push({ path: name.path, reads: pieces.map((piece) => piece.id) });
    }
  }
  return failed;
}

/** Once at least. */
async function persist<T>(deadline: number, attempt: () => Promise<T | null>): Promise<T | null> {
  while (true) {
    const result = await attempt();
    if (result !== null || performance.now() > deadline) return result;
    await sleep(200);
  }
}
