/** When all is well again: every stream that is left is read in full, from every node. */
import type { Survivor } from "./careers.ts";
import { readOn } from "./readers.ts";
import { type RunState, sleep } from "./run_state.ts";

const LIMIT_MS = 30_000;

/** @returns what could not be read: streams and nodes */
export async function settle(run: RunState, survivors: readonly Survivor[]): Promise<string[]> {
  const client = run.client("settler");
  const failed: string[] = [];
  for (const { name } of survivors) {
    for (let node = 0; node < client.nodes; node++) {
      const pages = await persist(() => readOn(client, name, 0, node));
      if (pages === null) failed.push(`${name.path} on node ${node}`);
      else run.history.settled.push({ path: name.path, reads: pages.map((page) => page.id) });
    }
  }
  return failed;
}

async function persist<T>(attempt: () => Promise<T | null>): Promise<T | null> {
  const deadline = performance.now() + LIMIT_MS;
  while (true) {
    const result = await attempt();
    if (result !== null || performance.now() > deadline) return result;
    await sleep(200);
  }
}
