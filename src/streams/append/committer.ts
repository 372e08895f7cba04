/**
 * The statement of a group commit, and its result: the writes of many streams in one round trip and
 * one fsync.
 */
import { assertInvariant } from "../../lib/invariant.ts";
import { type Database, numberArray, textArray } from "../../storage/database.ts";
import type { ProducerState } from "./decide.ts";
import { type SegmentRange, segmentsOf } from "../stored_body.ts";
import type { StreamWrite } from "./stream_queue.ts";
import { stateOf, type StreamRow, type StreamState } from "../stream_state.ts";

const COMMIT = `select changed_id, rebased, (stream).* from penstock.commit_appends(
  $1::bigint[], $2::bigint[],
  $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], $7::boolean[], $8::text[],
  $9::integer[], $10::integer[], $11::bytea,
  $12::bigint[], $13::bigint[], $14::boolean[],
  $15::bigint[], $16::text[], $17::bigint[], $18::bigint[], $19::boolean[])`;

/** The same for one stream, of which one segment and no producer is written. */
const COMMIT_OF_ONE = `select changed_id, rebased, (stream).* from penstock.commit_append(
  $1::bigint, $2::bigint, $3::boolean, $4::boolean, $5::boolean, $6::text, $7::bytea)`;

type ChangedRow = StreamRow & { changed_id: number; rebased: boolean };

/** The new bytes of one stream, from `position` on. */
export interface WrittenBytes {
  readonly position: number;
  readonly bytes: Uint8Array;
}

export interface CommitResult {
  /** Streams that were not as decided against: their states now, null when they are deleted. */
  readonly refused: ReadonlyMap<number, StreamState | null>;
  /** Streams whose write was rebased onto another tail: their states after it. */
  readonly rebased: ReadonlyMap<number, StreamState>;
  /** The new bytes by stream id. */
  readonly written: ReadonlyMap<number, WrittenBytes>;
}

/**
 * @param writes one per stream, in ascending order of stream id: the order of the locks
 * @throws DatabaseUnavailable when it is not known whether the commit took place,
 * InvariantViolation before anything is written
 */
export async function commitAppends(
  database: Database,
  writes: readonly StreamWrite[],
): Promise<CommitResult> {
  const batch = gather(writes);
  const one = writes.length === 1 && batch.segments.length === 1 &&
    batch.producers.length === 0;
  const rows = await (one ? commitOne(database, batch) : commitMany(database, batch));
  const { written } = batch;
  const refused = new Map<number, StreamState | null>();
  const rebased = new Map<number, StreamState>();
  // A stream's row does not name the sources of its source.
  const sources = rows.length === 0 ? null : sourcesOfForks(writes);
  for (const row of rows) {
    const { changed_id: id } = row;
    const state = row.id === null ? null : stateOf(row, sources?.get(id));
    if (row.rebased) rebased.set(id, state!);
    else refused.set(id, state);
  }
  for (const id of refused.keys()) written.delete(id);
  for (const [id, { tail }] of rebased) {
    const bytes = written.get(id)?.bytes;
    if (bytes !== undefined) written.set(id, { position: tail - bytes.length, bytes });
  }
  return { refused, rebased, written };
}

function sourcesOfForks(writes: readonly StreamWrite[]): Map<number, StreamState["sources"]> {
  const forks = writes.filter(({ stream }) => stream.sources.length > 0);
  return new Map(forks.map(({ stream }) => [stream.id, stream.sources]));
}

interface Batch {
  readonly writes: readonly StreamWrite[];
  /** All new bytes. */
  readonly bytes: Uint8Array;
  /** The segments they become. `start` is the place in `bytes`. */
  readonly segments: readonly (SegmentRange & {
    readonly write: StreamWrite;
    readonly position: number;
  })[];
  readonly producers: readonly ({ readonly stream: number; readonly id: string } & ProducerState)[];
  readonly written: Map<number, WrittenBytes>;
}

function gather(writes: readonly StreamWrite[]): Batch {
  const bytes = new Uint8Array(
    writes.reduce((sum, write) => sum + (write.after.tail - write.stream.tail), 0),
  );
  const written = new Map<number, WrittenBytes>();
  const segments: Batch["segments"][number][] = [];
  let filled = 0;
  for (const write of writes) {
    const start = filled;
    for (const chunk of write.chunks) {
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
    const { stream, after } = write;
    assertInvariant(
      filled - start === after.tail - stream.tail,
      "a stream's tail grows by the bytes that are written",
    );
    if (!write.writes) continue;
    assertInvariant(filled > start || after.closed, "what is written is bytes, or a close");
    const own = bytes.subarray(start, filled);
    let end = 0;
    for (const segment of segmentsOf(stream.contentType, own, after.closed)) {
      assertInvariant(segment.start === end, "the segments of a commit are contiguous");
      end += segment.length;
      segments.push({
        ...segment,
        write,
        position: stream.tail + segment.start,
        start: start + segment.start,
      });
    }
    assertInvariant(end === own.length, "the segments of a commit are all of its bytes");
    if (own.length > 0) written.set(stream.id, { position: stream.tail, bytes: own });
  }
  const producers = writes.flatMap((write) =>
    [...write.producers].map(([id, state]) => ({ stream: write.stream.id, id, ...state }))
  );
  return { writes, bytes, segments, producers, written };
}

function commitOne(database: Database, { writes, bytes }: Batch): Promise<ChangedRow[]> {
  const { stream, unconditional, after } = writes[0]!;
  return database.query(COMMIT_OF_ONE, [
    stream.id,
    stream.tail,
    unconditional,
    stream.ttlSeconds !== null,
    after.closed,
    lastSeqOf(writes[0]!),
    bytes,
  ]);
}

function commitMany(
  database: Database,
  { writes, bytes, segments, producers }: Batch,
): Promise<ChangedRow[]> {
  const confirmed = writes.filter((write) => !write.writes);
  const renewed = writes.filter((write) => write.writes && write.stream.ttlSeconds !== null);
  return database.query(COMMIT, [
    numberArray(writes.map((write) => write.stream.id)),
    numberArray(renewed.map((write) => write.stream.id)),
    numberArray(segments.map(({ write }) => write.stream.id)),
    numberArray(segments.map(({ write }) => write.stream.tail)),
    numberArray(segments.map((segment) => segment.position)),
    numberArray(segments.map(({ write }) => write.unconditional)),
    numberArray(segments.map((segment) => segment.closes)),
    textArray(segments.map(({ write }) => lastSeqOf(write))),
    numberArray(segments.map((segment) => segment.start)),
    numberArray(segments.map((segment) => segment.length)),
    bytes,
    numberArray(confirmed.map((write) => write.stream.id)),
    numberArray(confirmed.map((write) => write.stream.tail)),
    numberArray(confirmed.map((write) => write.stream.closed)),
    numberArray(producers.map((producer) => producer.stream)),
    textArray(producers.map((producer) => producer.id)),
    numberArray(producers.map((producer) => producer.epoch)),
    numberArray(producers.map((producer) => producer.lastSeq)),
    numberArray(producers.map((producer) => producer.closedStream)),
  ]);
}

/** Null leaves it as it is, for an unconditional write is not decided against the one there is. */
function lastSeqOf(write: StreamWrite): string | null {
  return write.unconditional ? null : write.after.lastSeq;
}
