/**
 * The lifecycle of one stream of the workload. It is created, written to, read and followed for a
 * while, perhaps forked, and then closed, deleted, created again or left open.
 */
import type { Client } from "./client.ts";
import { Follower } from "./follower.ts";
import { forkLater } from "./forks.ts";
import { create, noteEnds, type RemainingStream, remove, tailOf } from "./owner.ts";
import type { Random } from "./random.ts";
import { read } from "./readers.ts";
import { type RunState, sleep } from "./run_state.ts";
import { Sequence } from "./sequence.ts";
import type { StreamName } from "./stream_name.ts";
import { trim } from "./trimmer.ts";
import { type OpenStream, WRITERS } from "./writers.ts";

const CONTENT_TYPES = ["text/plain", "application/json", "application/octet-stream"];
const MOST_INCARNATIONS = 4;

type Ending = "close" | "leave" | "delete" | "recreate" | "expire";

export interface LifecycleOptions {
  readonly path: string;
  /** About how long the stream is written to. Milliseconds. */
  readonly duration: number;
}

/** Runs a stream's whole lifecycle and those of its forks. Returns the streams that remain. */
export async function runLifecycle(
  run: RunState,
  options: LifecycleOptions,
  random: Random,
): Promise<RemainingStream[]> {
  const ending: Ending = random.weighted({ close: 4, leave: 3, delete: 1, recreate: 2, expire: 1 });
  if (ending === "expire") return await runUntilExpiry(run, options.path, random);
  const client = run.client("owner");
  const contentType = random.pick(CONTENT_TYPES);
  const remaining: RemainingStream[] = [];
  for (let incarnation = 1; incarnation <= MOST_INCARNATIONS; incarnation++) {
    const name = { path: options.path, contentType, incarnation };
    const first = random.chance(0.5) ? run.record(name.path, random) : undefined;
    const sure = await create(
      run,
      client,
      name,
      random,
      {
        ...first === undefined ? {} : { record: first },
        ...random.chance(0.15) ? { retentionBytes: random.between(1000, 20_000) } : {},
      },
    );
    if (sure === null) return remaining;
    const stream: OpenStream = {
      name,
      boundaries: [0, sure.tail],
      sequence: new Sequence(),
      done: false,
    };
    const recreates = ending === "recreate" && sure.once;
    const duration = recreates ? options.duration / 3 : options.duration;
    const result = await runLifetime(run, { stream, client, duration, ending }, random);
    remaining.push(...result.forks);
    if (ending !== "delete" && ending !== "recreate") return [...remaining, { name }];
    if (!recreates || !result.removed || run.ending) return remaining;
    await useDeleted(run, client, name, random);
  }
  return remaining;
}

interface Lifetime {
  readonly stream: OpenStream;
  readonly client: Client;
  readonly duration: number;
  readonly ending: Ending;
}

interface LifetimeResult {
  readonly forks: readonly RemainingStream[];
  /** Whether the stream was deleted, and no request in flight can create it again. */
  readonly removed: boolean;
}

/** Runs the writers, readers, followers and forks of a stream, from its creation to its end. */
async function runLifetime(
  run: RunState,
  lifetime: Lifetime,
  random: Random,
): Promise<LifetimeResult> {
  const { stream, ending } = lifetime;
  const { name } = stream;
  run.open.add(name);
  const writers = Array.from({ length: random.between(1, 3) }, () => {
    const kind = random.weighted({ plain: 2, producer: 3, pipelined: 1, sequenced: 2 });
    return WRITERS[kind](run, stream, random.fork());
  });
  const readers = [
    read(run, stream, random.fork()),
    ...random.chance(0.3) ? [trim(run, stream, random.fork())] : [],
  ];
  const followers = Array.from(
    { length: random.between(1, 2) },
    () => new Follower(run.client("follower"), name, 0, random.fork()),
  );
  let end = Infinity;
  const following = followers.map((follower) =>
    follower.run(() => run.overdue || (ending === "leave" && follower.position >= end))
  );
  const forks = random.chance(0.6) && ending !== "recreate"
    ? [forkLater(run, stream, { duration: lifetime.duration, depth: 1 }, random.fork())]
    : [];
  const until = performance.now() + lifetime.duration * (0.5 + random.next());
  while (performance.now() < until && !run.ending) await sleep(100);
  run.open.delete(name);
  const stop = async () => {
    stream.done = true;
    await Promise.all([...writers, ...readers]);
  };
  // A close or a delete may come while other clients write.
  if (ending === "leave" || random.chance(0.5)) await stop();
  let removed = false;
  let tail: number | null = null;
  if (ending === "close") tail = await close(run, lifetime.client, name, random);
  else if (ending === "leave") tail = await tailOf(run, lifetime.client, name, random);
  else removed = await remove(run, lifetime.client, name, random);
  await stop();
  end = tail ?? end;
  for (const follower of followers) if (follower.position >= end) follower.interrupt();
  await Promise.all(following);
  if (tail !== null) noteEnds(run, name, followers, tail);
  return { forks: (await Promise.all(forks)).flat(), removed };
}

/** Closes, sometimes together with a last record. Returns the final tail. */
async function close(
  run: RunState,
  client: Client,
  name: StreamName,
  random: Random,
): Promise<number | null> {
  const record = random.chance(0.5) ? run.record(name.path, random) : null;
  const producer = { id: `${name.path} closer`, epoch: 0, seq: 0 };
  const closed = await run.insist(
    random,
    (node) => client.append(node, name, { record, closes: true, producer }),
  );
  // The checker reports an append that is accepted after the close.
  const late = run.record(name.path, random);
  await client.append(run.node(random), name, { record: late });
  return closed?.outcome === "ok" ? closed.tail : null;
}

/** Sends requests to a deleted stream, which the checker expects to be refused. */
async function useDeleted(
  run: RunState,
  client: Client,
  name: StreamName,
  random: Random,
): Promise<void> {
  for (let node = 0; node < client.nodes; node++) {
    await client.head(node, name);
    await client.read(node, name, { start: 0 });
  }
  await client.append(run.node(random), name, { record: run.record(name.path, random) });
}

/** Uses a stream with a TTL for a while, and reads it once more after it should have expired. */
async function runUntilExpiry(
  run: RunState,
  path: string,
  random: Random,
): Promise<RemainingStream[]> {
  const client = run.client("ephemeral");
  const ttlSeconds = random.between(2, 4);
  const name = { path, contentType: random.pick(CONTENT_TYPES), incarnation: 1 };
  const made = await create(run, client, name, random, { ttlSeconds });
  if (made === null) return [];
  for (let uses = random.between(1, 5); uses > 0; uses--) {
    await sleep(ttlSeconds * 1000 * 0.7 * random.next());
    const node = run.node(random);
    if (random.chance(0.5)) await client.append(node, name, { record: run.record(path, random) });
    else await client.read(node, name, { start: 0 });
  }
  await sleep(ttlSeconds * 1100 + 2000);
  await client.read(run.node(random), name, { start: 0 });
  return [];
}
