/** Clients that read from random positions, and ask for the tail. */
import type { Client } from "./client.ts";
import type { Read } from "./history.ts";
import type { Random } from "./random.ts";
import type { RunState } from "./run_state.ts";
import { isJson, type StreamName } from "./stream_name.ts";
import type { OpenStream } from "./writers.ts";

/** How far back reads begin, mostly; now and then one begins at the start. */
const BACK = 30;

export async function read(run: RunState, stream: OpenStream, random: Random): Promise<void> {
  const client = run.client("reader");
  while (!stream.done) {
    const node = run.node(random);
    if (random.chance(0.3)) await client.head(node, stream.name);
    else await readOn(client, stream.name, placeIn(stream, random), node);
    await run.think(random);
    await run.think(random);
  }
}

/** Reads to the tail, page by page, on one node. Returns the pieces; null when one failed. */
export async function readOn(
  client: Client,
  stream: StreamName,
  start: number,
  node: number,
): Promise<Read[] | null> {
  const pieces: Read[] = [];
  for (let at = start;;) {
    const page = await client.read(node, stream, { start: at });
    const { outcome, end, upToDate, earliest } = page.at(-1)!;
    if (outcome === "refused" && earliest !== undefined && earliest > at) {
      // What was to be read has been dropped: from where the stream begins.
      pieces.length = 0;
      at = earliest;
      continue;
    }
    if (outcome !== "ok" || end === null) return null;
    pieces.push(...page);
    if (upToDate) return pieces;
    at = end;
  }
}

/** A place that is there: between records, or in byte streams anywhere. */
export function placeIn(stream: OpenStream, random: Random): number {
  const { boundaries } = stream;
  if (boundaries.length === 0 || random.chance(0.02)) return 0;
  const first = random.chance(0.8) ? Math.max(0, boundaries.length - BACK) : 0;
  const place = boundaries[random.between(first, boundaries.length - 1)]!;
  if (isJson(stream.name) || random.chance(0.7)) return place;
  return Math.max(0, place - random.between(0, 200));
}
