/**
 * What becomes of a commit's appends when it has ended: what was written is cached, published and
 * answered, and what was not as decided against is decided again.
 */
import { assertInvariant } from "../../lib/invariant.ts";
import type { Hub } from "../follow/hub.ts";
import type { NodeNotifier } from "../follow/node_notifier.ts";
import type { SegmentCache } from "../read/segment_cache.ts";
import { type StreamState, unusable } from "../stream_state.ts";
import type { CommitResult, WrittenBytes } from "./committer.ts";
import type { StreamWrite } from "./stream_queue.ts";
import type { AppendOutcome } from "./waiting_append.ts";

/** A body from this length on that was committed alone is cached without copying. Bytes. */
const UNCOPIED_BYTES = 64 << 10;

export interface SettlementParts {
  readonly hub: Hub;
  readonly nodeNotifier: NodeNotifier;
  readonly segmentCache: SegmentCache;
}

/** @returns the ids of the streams that were written */
export function settle(
  parts: SettlementParts,
  writes: readonly StreamWrite[],
  { refused, rebased, written }: CommitResult,
): number[] {
  const changed: number[] = [];
  for (const write of writes) {
    const { id } = write.stream;
    if (refused.has(id)) {
      decideAgain(write, refused.get(id) ?? null);
      continue;
    }
    const shift = applyToQueue(write, rebased.get(id));
    const bytes = written.get(id);
    if (bytes !== undefined) cache(parts.segmentCache, id, bytes);
    if (write.writes) {
      const { tail, closed } = write.after;
      parts.hub.publish(id, { tail: tail + shift, closed, ended: false });
      parts.nodeNotifier.notify(id);
      changed.push(id);
    }
    for (const [append, outcome] of write.answers) {
      append.resolve(shift === 0 ? outcome : rebasedOutcome(outcome, shift));
    }
  }
  return changed;
}

/** The commit failed. Whether it took place is not known, and so the streams' states are not. */
export function failWrites(writes: readonly StreamWrite[], error: unknown): void {
  for (const write of writes) {
    write.queue.invalidate();
    for (const [append] of write.answers) append.reject(error);
  }
}

/**
 * Sets what the queue knows to what was committed.
 * @param rebased the state of a stream whose write was rebased
 * @returns by how many bytes it lies further on than it was decided for
 */
function applyToQueue(write: StreamWrite, rebased: StreamState | undefined): number {
  if (rebased === undefined) {
    write.queue.applyCommitted(write);
    return 0;
  }
  assertInvariant(rebased.tail >= write.after.tail, "a tail never falls");
  write.queue.setStream(rebased);
  return rebased.tail - write.after.tail;
}

/** The stream was not as decided against: its appends return to the front of their queue. */
function decideAgain({ queue, answers }: StreamWrite, stream: StreamState | null): void {
  if (unusable(stream) === null) queue.setStream(stream!);
  else queue.invalidate();
  queue.waiting.unshift(...answers.map(([append]) => append));
}

function rebasedOutcome(outcome: AppendOutcome, shift: number): AppendOutcome {
  return outcome.kind === "appended" ? { ...outcome, tail: outcome.tail + shift } : outcome;
}

function cache(segmentCache: SegmentCache, id: number, { position, bytes }: WrittenBytes): void {
  // Copying a large body costs more than all else that is done with it. A view of a buffer that
  // holds more than this body would keep all of it in memory.
  const wholeBuffer = bytes.length === bytes.buffer.byteLength;
  if (wholeBuffer && bytes.length >= UNCOPIED_BYTES) {
    segmentCache.insertWithoutCopy(id, position, bytes);
  } else segmentCache.insert(id, position, bytes);
}
