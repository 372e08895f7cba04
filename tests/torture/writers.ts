/** Clients that append: with and without a producer, one or several at once, and in a sequence. */
import type { Client } from "./client.ts";
import type { Append } from "./history.ts";
import type { Random } from "./random.ts";
import type { RecordShape } from "./records.ts";
import { type RunState, sleep } from "./run_state.ts";
import { notAfter, type Sequence } from "./sequence.ts";
import type { StreamName } from "./stream_name.ts";

/** A stream while it is written to. */
export interface OpenStream {
  readonly name: StreamName;
  /** Positions where a record ended, as answers said. */
  readonly boundaries: number[];
  /** The values that all writers with `Stream-Seq` draw from. */
  readonly sequence: Sequence;
  /** Writers are to stop. */
  done: boolean;
}

export type Writer = (run: RunState, stream: OpenStream, random: Random) => Promise<void>;

export const WRITERS = { plain, producer, pipelined, sequenced } as const;

/** No producer: what has no answer is not sent again, for it might be there twice then. */
async function plain(run: RunState, stream: OpenStream, random: Random): Promise<void> {
  const client = run.client("plain");
  const home = random.chance(0.5) ? run.node(random) : null;
  while (!stream.done) {
    const record = run.record(stream.name.path, random);
    const done = await client.append(home ?? run.node(random), stream.name, { record });
    if (ended(stream, done)) return;
    await run.think(random);
  }
}

/** One at a time, each until its outcome is known; begins a new epoch now and then. */
async function producer(run: RunState, stream: OpenStream, random: Random): Promise<void> {
  const client = run.client("producer");
  const id = `${stream.name.path}#${stream.name.incarnation} ${client.name}`;
  let epoch = 0;
  let seq = 0;
  /** The same append at two nodes at once: one of them takes it. */
  const race = async (client: Client, seq: number) => {
    const record = run.record(stream.name.path, random);
    const options = { record, producer: { id, epoch, seq } };
    const attempt = (own: Random) =>
      run.insist(own, (node) => client.append(node, stream.name, options));
    await Promise.all([attempt(random.fork()), attempt(random.fork())]);
  };
  while (!stream.done) {
    const record = run.record(stream.name.path, random);
    const claim = { id, epoch, seq };
    const options = { record, producer: claim };
    if (random.chance(0.03)) {
      // As after a crash: one attempt, and nobody waits for what comes of it.
      await client.append(run.node(random), stream.name, options);
      epoch++;
      seq = 0;
      continue;
    }
    const done = await run.insist(random, (node) => client.append(node, stream.name, options));
    if (done === null || ended(stream, done)) return;
    if (done.outcome === "ok" && random.chance(0.05)) {
      // Sent again although it was answered: a duplicate.
      await client.append(run.node(random), stream.name, options);
    }
    if (random.chance(0.05)) await race(client, ++seq);
    seq++;
    if (epoch > 0 && seq === 1 && random.chance(0.5)) {
      // The one from before the crash wakes up.
      const late = run.record(stream.name.path, random);
      await client.append(run.node(random), stream.name, {
        record: late,
        producer: { id, epoch: epoch - 1, seq: random.between(0, 50) },
      });
    }
    await run.think(random);
  }
}

/** Three under way at once, over all nodes, so that they arrive in any order. */
async function pipelined(run: RunState, stream: OpenStream, random: Random): Promise<void> {
  const client = run.client("pipelined");
  const id = `${stream.name.path}#${stream.name.incarnation} ${client.name}`;
  let seq = 0;
  const worker = async (own: Random) => {
    while (!stream.done) {
      const record = run.record(stream.name.path, own);
      const options = { record, producer: { id, epoch: 0, seq: seq++ } };
      while (true) {
        const done = await run.insist(own, (node) => client.append(node, stream.name, options));
        if (done === null || ended(stream, done)) return;
        // A gap: its predecessors are on their way.
        if (done.outcome === "ok" || stream.done) break;
        await sleep(own.between(5, 30));
      }
      await run.think(own);
    }
  };
  await Promise.all([1, 2, 3].map(() => worker(random.fork())));
}

/** With `Stream-Seq`, two in flight at once: one that arrives second and is less is refused. */
async function sequenced(run: RunState, stream: OpenStream, random: Random): Promise<void> {
  const worker = async (own: Random) => {
    const client = run.client("sequenced");
    const send = (streamSeq: string, node: number, record: RecordShape) =>
      client.append(node, stream.name, { record, streamSeq });
    while (!stream.done) {
      const record = run.record(stream.name.path, own);
      const streamSeq = stream.sequence.next(own);
      // Sent again for want of an answer it cannot be there twice: it is not greater than itself.
      const done = await run.insist(own, (node) => send(streamSeq, node, record));
      if (done === null || ended(stream, done)) return;
      if (done.outcome === "ok" && own.chance(0.2)) {
        const late = run.record(stream.name.path, own);
        await send(notAfter(streamSeq, own), run.node(own), late);
      }
      await run.think(own);
    }
  };
  await Promise.all([1, 2].map(() => worker(random.fork())));
}

/** Notes what the answer showed. Returns whether the stream takes no more. */
function ended(stream: OpenStream, done: Append): boolean {
  if (done.outcome === "ok" && done.tail !== null && !done.duplicate) {
    stream.boundaries.push(done.tail);
  }
  if (done.outcome !== "refused") return false;
  return done.reason === "STREAM_CLOSED" || done.status === 404 || done.status === 410;
}
