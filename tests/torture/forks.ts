/** Forks, and forks of forks: each a stream of its own that begins with another's bytes. */
import type { Client } from "./client.ts";
import { Follower } from "./follower.ts";
import type { Fork } from "./history.ts";
import { create, noteEnds, type RemainingStream, remove, tailOf } from "./owner.ts";
import { storedIn } from "./pieces.ts";
import type { Random } from "./random.ts";
import { placeIn, read } from "./readers.ts";
import { type RunState, sleep } from "./run_state.ts";
import { Sequence } from "./sequence.ts";
import { isJson, type StreamName } from "./stream_name.ts";
import { type OpenStream, WRITERS } from "./writers.ts";

const DEEPEST = 3;
/** How far after an offset forks leave, at most: so far that there are other records between. */
const MOST_BYTES = 600;
const MOST_MESSAGES = 10;
const LINE_FEED = 0x0a;

export interface ForkOptions {
  /** About the lifetime of its source. Milliseconds. */
  readonly duration: number;
  /** How many streams it inherits from. */
  readonly depth: number;
}

/** Forks the stream at a random position and time. Returns the forks that remain in the end. */
export async function forkLater(
  run: RunState,
  source: OpenStream,
  { duration, depth }: ForkOptions,
  random: Random,
): Promise<RemainingStream[]> {
  const client = run.client("forker");
  await pass(run, duration * 0.6 * random.next());
  const { path, cuts = [] } = source.name;
  const fork = await placeToLeave(run, client, source, random);
  const { position } = fork;
  const name: StreamName = {
    ...source.name,
    path: `${path}-fork`,
    incarnation: 1,
    cuts: [...cuts.filter((cut) => cut < position), position],
  };
  const first = random.chance(0.3) ? { record: run.record(name.path, random) } : {};
  const made = await create(run, client, name, random, { fork, ...first });
  if (made === null) return [];
  const inherited = source.boundaries.filter((boundary) => boundary < position);
  const stream: OpenStream = {
    name,
    boundaries: [...inherited, position, made.tail],
    sequence: new Sequence(),
    done: false,
  };
  const deeper = depth < DEEPEST && random.chance(0.6)
    ? [forkLater(run, stream, { duration: duration / 2, depth: depth + 1 }, random.fork())]
    : [];
  const removed = await runLifetime(run, stream, client, duration / 2, random);
  const forks = (await Promise.all(deeper)).flat();
  return removed ? forks : [...forks, { name }];
}

/** Runs the clients of a fork for a while. Returns whether it was deleted in the end. */
async function runLifetime(
  run: RunState,
  stream: OpenStream,
  client: Client,
  duration: number,
  random: Random,
): Promise<boolean> {
  const { name } = stream;
  const kind = random.pick(["plain", "producer", "sequenced"] as const);
  const users = [WRITERS[kind](run, stream, random.fork()), read(run, stream, random.fork())];
  // SSE cannot begin inside a character.
  const start = isText(name) ? random.pick(stream.boundaries) : placeIn(stream, random);
  const follower = new Follower(run.client("follower"), name, start, random.fork());
  let end = Infinity;
  const following = follower.run(() => run.overdue || follower.position >= end);
  await pass(run, duration);
  stream.done = true;
  await Promise.all(users);
  const tail = await tailOf(run, client, name, random);
  end = tail ?? end;
  if (follower.position >= end) follower.interrupt();
  await following;
  if (tail !== null) noteEnds(run, name, [follower], tail);
  if (!random.chance(0.3)) return false;
  await remove(run, client, name, random);
  return true;
}

/** A position that an answer showed, or so many bytes or messages after it. */
async function placeToLeave(
  run: RunState,
  client: Client,
  source: OpenStream,
  random: Random,
): Promise<Fork> {
  const { path } = source.name;
  const known = { source: path, position: random.pick(source.boundaries) };
  if (random.chance(0.3)) return known;
  const anchor = placeIn(source, random);
  const pieces = await client.read(run.node(random), source.name, { start: anchor });
  if (pieces.at(-1)!.outcome !== "ok") return known;
  const stored = storedIn(run.history, pieces);
  if (isJson(source.name)) {
    const ends = [0, ...messageEnds(stored)];
    const subOffset = random.between(0, Math.min(MOST_MESSAGES, ends.length - 1));
    return { source: path, position: anchor + ends[subOffset]!, by: { anchor, subOffset } };
  }
  let subOffset = random.between(0, Math.min(MOST_BYTES, stored.length));
  // Half a character and what a fork appends to it are no text, and SSE cannot carry them.
  if (isText(source.name)) {
    while (isContinuation(stored[subOffset])) subOffset++;
  }
  return { source: path, position: anchor + subOffset, by: { anchor, subOffset } };
}

function isText({ contentType }: StreamName): boolean {
  return contentType.startsWith("text/");
}

function messageEnds(stored: Uint8Array): number[] {
  const ends: number[] = [];
  stored.forEach((byte, at) => {
    if (byte === LINE_FEED) ends.push(at + 1);
  });
  return ends;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

async function pass(run: RunState, ms: number): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until && !run.ending) await sleep(100);
}
