/** How long things take, where the machine lets it be said: it may have other work. */
import type { RunningServer } from "../support/server.ts";
import { elapse } from "../support/waits.ts";

const PING_MS = 25;
/** An empty request that takes longer tells of the machine and not of Penstock. Milliseconds. */
const PROMPT_MS = 100;

/**
 * What `measure` says, `count` times in ascending order. Tries during which an empty request to the
 * server was not answered promptly do not count, until there are four times as many.
 */
export async function promptly(
  server: RunningServer,
  count: number,
  measure: (attempt: number) => Promise<number>,
): Promise<number[]> {
  const counted: number[] = [];
  const busy: number[] = [];
  while (counted.length < count) {
    const attempt = counted.length + busy.length;
    if (attempt >= 4 * count) throw new Error(`the machine is too busy to tell: ${busy} ms`);
    let over = false;
    let slowest = 0;
    const pings = (async () => {
      while (!over) {
        const began = performance.now();
        await (await fetch(`${server.url}/live`)).body?.cancel();
        slowest = Math.max(slowest, performance.now() - began);
        await elapse(PING_MS, "between two pings");
      }
    })();
    const took = await measure(attempt).finally(() => over = true);
    await pings;
    (slowest < PROMPT_MS ? counted : busy).push(took);
  }
  return counted.sort((a, b) => a - b);
}
