/** One group commit: the writes of many streams in one statement, one round trip, one fsync. */
import { type Database, numberArray, textArray } from "../storage/database.ts";
import { segmentsOf } from "./stored_body.ts";
import type { StreamWrite } from "./stream_queue.ts";
import { stateOf, type StreamRow, type StreamState } from "./stream_state.ts";

const COMMIT = `select refused_id, (stream).* from penstock.commit_appends(
  $1::bigint[], $2::bigint[], $3::boolean[], $4::bigint[], $5::boolean[], $6::text[],
  $7::bigint[], $8::bigint[], $9::integer[], $10::integer[], $11::bytea,
  $12::bigint[], $13::text[], $14::bigint[], $15::bigint[], $16::boolean[])`;

/** The new bytes of one stream, from `position` on. */
export interface WrittenBytes {
  readonly position: number;
  readonly bytes: Uint8Array;
}

export interface CommitResult {
  /** Streams that were not as decided against: their rows now, null when they are gone. */
  readonly refused: ReadonlyMap<number, StreamState | null>;
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

  const rows = await database.query<StreamRow & { refused_id: number }>(COMMIT, [
    numberArray(writes.map((write) => write.stream.id)),
    numberArray(writes.map((write) => write.stream.version)),
    numberArray(writes.map((write) => write.writes)),
    numberArray(writes.map((write) => write.after.tail)),
    numberArray(writes.map((write) => write.after.closed)),
    textArray(writes.map((write) => write.after.lastSeq)),
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
  const refused = new Map(
    rows.map((row) => [row.refused_id, row.id === null ? null : stateOf(row)] as const),
  );
  for (const id of refused.keys()) written.delete(id);
  return { refused, written };
}
