/**
 * Joins neighbouring segments as the compaction of `merge_segments` does, the newest ones too: so a
 * dump is the same whether or not a stream has been compacted, and what is loaded needs no compaction.
 */
import { copyTogether } from "../lib/bytes.ts";
import type { StoredSegment } from "./stored_rows.ts";

/** As in merge_segments.sql: segments that begin in one run of this length become one. */
const RUN_BYTES = 65_536;

/**
 * Retention by age is kept to the hour, so segments of different hours stay apart. The hours are those
 * of the clock, because then what is joined has one of them, and would be joined the same again.
 */
const HOUR_MS = 3_600_000;

/** @param segments of one or several streams, in order */
export async function* joinRuns(
  segments: AsyncIterable<StoredSegment>,
): AsyncGenerator<StoredSegment> {
  let run: StoredSegment[] = [];
  for await (const segment of segments) {
    if (run.length > 0 && !continues(run[0]!, run.at(-1)!, segment)) {
      yield joined(run);
      run = [];
    }
    run.push(segment);
  }
  if (run.length > 0) yield joined(run);
}

function continues(first: StoredSegment, last: StoredSegment, next: StoredSegment): boolean {
  return next.streamId === first.streamId &&
    last.position + last.data.length === next.position &&
    runOf(first) === runOf(next) && isSmall(next) && isSmall(last) &&
    hourOf(last) === hourOf(next);
}

function hourOf({ row }: StoredSegment): number {
  return Math.floor(Date.parse(String(row.appended_at)) / HOUR_MS);
}

function runOf({ position }: StoredSegment): number {
  return Math.floor(position / RUN_BYTES);
}

function isSmall({ data }: StoredSegment): boolean {
  return data.length <= RUN_BYTES;
}

/** The first's position, all bytes, and the state after the last. */
function joined(run: readonly StoredSegment[]): StoredSegment {
  return run.length === 1 ? run[0]! : {
    ...run.at(-1)!,
    position: run[0]!.position,
    data: copyTogether(run.map(({ data }) => data)),
  };
}
