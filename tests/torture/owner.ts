/** Requests of a stream's owner, which are repeated on random nodes until there is an answer. */
import type { Client } from "./client.ts";
import type { Follower } from "./follower.ts";
import type { Random } from "./random.ts";
import type { RunState } from "./run_state.ts";
import type { StreamName } from "./stream_name.ts";

/** A stream that still exists at the end of its lifecycle. */
export interface RemainingStream {
  readonly name: StreamName;
}

export interface Created {
  readonly tail: number;
  /** Whether there was one attempt only, so that none can take effect later. */
  readonly once: boolean;
}

export async function create(
  run: RunState,
  client: Client,
  name: StreamName,
  random: Random,
  options: Parameters<Client["create"]>[2],
): Promise<Created | null> {
  let attempts = 0;
  const made = await run.insist(random, (node) => {
    attempts++;
    return client.create(node, name, options);
  });
  return made?.outcome === "ok" ? { tail: made.tail ?? 0, once: attempts === 1 } : null;
}

/** Returns whether the first attempt succeeded, so that none can take effect later. */
export async function remove(
  run: RunState,
  client: Client,
  name: StreamName,
  random: Random,
): Promise<boolean> {
  let attempts = 0;
  const removed = await run.insist(random, (node) => {
    attempts++;
    return client.delete(node, name);
  });
  return removed?.outcome === "ok" && attempts === 1;
}

export async function tailOf(
  run: RunState,
  client: Client,
  name: StreamName,
  random: Random,
): Promise<number | null> {
  return (await run.insist(random, (node) => client.head(node, name)))?.tail ?? null;
}

export function noteEnds(
  run: RunState,
  { path }: StreamName,
  followers: readonly Follower[],
  tail: number,
): void {
  for (const { name: follower, position } of followers) {
    run.history.followerEnds.push({ follower, path, position, tail });
  }
}
