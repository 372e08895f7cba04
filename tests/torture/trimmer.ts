/** A client that drops the beginning of a stream, and looks on all nodes whether that holds. */
import type { Random } from "./random.ts";
import type { RunState } from "./run_state.ts";
import type { OpenStream } from "./writers.ts";

/** So many records are left, at least, for others to read. */
const LEFT = 10;

export async function trim(run: RunState, stream: OpenStream, random: Random): Promise<void> {
  const client = run.client("trimmer");
  while (!stream.done) {
    for (let rests = random.between(3, 10); rests > 0 && !stream.done; rests--) {
      await run.think(random);
    }
    const places = stream.boundaries.slice(0, -LEFT);
    if (places.length === 0 || stream.done) continue;
    const before = random.pick(places);
    await client.trim(run.node(random), stream.name, before);
    for (let node = 0; node < client.nodes; node++) {
      await client.read(node, stream.name, { start: random.pick(places) });
      await client.head(node, stream.name);
    }
  }
}
