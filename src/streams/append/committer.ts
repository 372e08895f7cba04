/** One group commit: the writes of many streams in one statement, one round trip, one fsync. */
import { type Database, numberArray, textArray } from "../../storage/database.ts";
import type { ProducerState } from "./decide.ts";
import { segmentsOf } from "../stored_body.ts";
import type { StreamWrite } from "./stream_queue.ts";
import { stateOf, type StreamRow, type StreamState } from "../stream_state.ts";

const COMMIT = `select changed_id, moved, (stream).* from penstock.commit_appends(
  $1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[],
  $8::bigint[], $9::bigint[], $10::integer[], $11::integer[], $12::bytea,
  $13::bigint[], $14::text[], $15::bigint[], $16::bigint[], $17::boolean[])`;

/** The same for one stream, of which at most one segment is written, and no producer. */
const COMMIT_OF_ONE = `select changed_id, moved, (stream).* from penstock.commit_append(
  $1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::boolean, $6::text, $7::bigint, $8::bytea)`;

type ChangedRow = StreamRow & { changed_id: number; moved: boolean };

/** The new bytes of one stream, from `position` on. */
export interface WrittenBytes {
  readonly position: number;
  readonly bytes: Uint8Array;
}

export interface CommitResult {
  /** Streams that were not as decided against: their rows now, null when they are gone. */
  readonly refused: ReadonlyMap<number, StreamState | null>;
  /** Streams whose write fitted another tail, as they are with it. */
  readonly moved: ReadonlyMap<number, StreamState>;
  /** By stream id, for those that were written. */
  readonly written: ReadonlyMap<number, WrittenBytes>;
}

/**
 * @param writes one a stream, in ascending order of stream id: the order of the locks
 * @throws DatabaseUnavailable when it is not known whether the commit took place
 */
export async function commitAppends(
  database: Database,
  writes: readonly StreamWrite[],
): Promise<CommitResult> {
  const batch = gather(writes);
  const one = writes.length === 1 && writes[0]!.writes && batch.pieces.length <= 1 &&
    batch.producers.length === 0;
  const rows = await (one ? commitOne(database, batch) : commitMany(database, batch));
  const { written } = batch;
  const refused = new Map<number, StreamState | null>();
  const moved = new Map<number, StreamState>();
  for (const row of rows) {
    if (row.moved) moved.set(row.changed_id, stateOf(row));
    else refused.set(row.changed_id, row.id === null ? null : stateOf(row));
  }
  for (const id of refused.keys()) written.delete(id);
  for (const [id, { tail }] of moved) {
    const bytes = written.get(id)?.bytes;
    if (bytes !== undefined) written.set(id, { position: tail - bytes.length, bytes });
  }
  return { refused, moved, written };
}

interface Batch {
  readonly writes: readonly StreamWrite[];
  /** All new bytes. */
  readonly bytes: Uint8Array;
  /** The segments they become, each with its place in `bytes`. */
  readonly pieces: readonly {
    readonly stream: number;
    readonly position: number;
    readonly start: number;
    readonly length: number;
  }[];
  readonly producers: readonly ({ readonly stream: number; readonly id: string } & ProducerState)[];
  readonly written: Map<number, WrittenBytes>;
}

function gather(writes: readonly StreamWrite[]): Batch {
  const bytes = new Uint8Array(
    writes.reduce((sum, write) => sum + (write.after.tail - write.stream.tail), 0),
  );
  const written = new Map<number, WrittenBytes>();
  const pieces = [];
  let filled = 0;
  for (const write of writes) {
    const start = filled;
    for (const chunk of write.chunks) {
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    if (filled === start) continue;
    const own = bytes.subarray(start, filled);
    const { id: stream, tail } = write.stream;
    for (const piece of segmentsOf(write.stream.contentType, own)) {
      const { length } = piece;
      pieces.push({ stream, position: tail + piece.start, start: start + piece.start, length });
    }
    written.set(stream, { position: tail, bytes: own });
  }
  const producers = writes.flatMap((write) =>
    [...write.producers].map(([id, state]) => ({ stream: write.stream.id, id, ...state }))
  );
  return { writes, bytes, pieces, producers, written };
}

function commitOne(database: Database, { writes, bytes, pieces }: Batch): Promise<ChangedRow[]> {
  const { stream, floats, after } = writes[0]!;
  return database.query(COMMIT_OF_ONE, [
    stream.id,
    stream.version,
    floats ? stream.tail : null,
    after.tail,
    after.closed,
    lastSeqOf(writes[0]!),
    ...pieces.length === 0 ? [null, null] : [stream.tail, bytes],
  ]);
}

function commitMany(
  database: Database,
  { writes, bytes, pieces, producers }: Batch,
): Promise<ChangedRow[]> {
  return database.query(COMMIT, [
    numberArray(writes.map((write) => write.stream.id)),
    numberArray(writes.map((write) => write.stream.version)),
    numberArray(writes.map((write) => write.writes)),
    numberArray(writes.map((write) => write.floats ? write.stream.tail : null)),
    numberArray(writes.map((write) => write.after.tail)),
    numberArray(writes.map((write) => write.after.closed)),
    textArray(writes.map(lastSeqOf)),
    numberArray(pieces.map((piece) => piece.stream)),
    numberArray(pieces.map((piece) => piece.position)),
    numberArray(pieces.map((piece) => piece.start)),
    numberArray(pieces.map((piece) => piece.length)),
    bytes,
    numberArray(producers.map((producer) => producer.stream)),
    textArray(producers.map((producer) => producer.id)),
    numberArray(producers.map((producer) => producer.epoch)),
    numberArray(producers.map((producer) => producer.lastSeq)),
    numberArray(producers.map((producer) => producer.closedStream)),
  ]);
}

/** Null leaves it as it is, which a write that floats cannot know. */
function lastSeqOf(write: StreamWrite): string | null {
  return write.floats ? null : write.after.lastSeq;
}
