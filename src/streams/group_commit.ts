/** One group commit: the writes of many streams in one statement, one round trip, one fsync. */
import { type Database, numberArray, textArray } from "../storage/database.ts";
import { segmentsOf } from "./stored_body.ts";
import type { StreamWrite } from "./stream_queue.ts";
import { stateOf, type StreamRow, type StreamState } from "./stream_state.ts";

const COMMIT = `select changed_id, moved, (stream).* from penstock.commit_appends(
  $1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[],
  $8::bigint[], $9::bigint[], $10::integer[], $11::integer[], $12::bytea,
  $13::bigint[], $14::text[], $15::bigint[], $16::bigint[], $17::boolean[])`;

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
  const bytes = new Uint8Array(
    writes.reduce((sum, write) => sum + (write.after.tail - write.stream.tail), 0),
  );
  const written = new Map<number, WrittenBytes>();
  const segments = { stream: [], position: [], start: [], length: [] } as Record<string, number[]>;
  let filled = 0;
  for (const write of writes) {
    const start = filled;
    for (const chunk of write.chunks) {
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    if (filled === start) continue;
    const own = bytes.subarray(start, filled);
    for (const piece of segmentsOf(write.stream.contentType, own)) {
      segments.stream!.push(write.stream.id);
      segments.position!.push(write.stream.tail + piece.start);
      segments.start!.push(start + piece.start);
      segments.length!.push(piece.length);
    }
    written.set(write.stream.id, { position: write.stream.tail, bytes: own });
  }
  const producers = writes.flatMap((write) =>
    [...write.producers].map(([id, state]) => ({ stream: write.stream.id, id, ...state }))
  );

  const rows = await database.query<StreamRow & { changed_id: number; moved: boolean }>(COMMIT, [
    numberArray(writes.map((write) => write.stream.id)),
    numberArray(writes.map((write) => write.stream.version)),
    numberArray(writes.map((write) => write.writes)),
    numberArray(writes.map((write) => write.floats ? write.stream.tail : null)),
    numberArray(writes.map((write) => write.after.tail)),
    numberArray(writes.map((write) => write.after.closed)),
    // Null leaves it as it is, which a write that floats cannot know.
    textArray(writes.map((write) => write.floats ? null : write.after.lastSeq)),
    numberArray(segments.stream!),
    numberArray(segments.position!),
    numberArray(segments.start!),
    numberArray(segments.length!),
    bytes,
    numberArray(producers.map((producer) => producer.stream)),
    textArray(producers.map((producer) => producer.id)),
    numberArray(producers.map((producer) => producer.epoch)),
    numberArray(producers.map((producer) => producer.lastSeq)),
    numberArray(producers.map((producer) => producer.closedStream)),
  ]);
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
