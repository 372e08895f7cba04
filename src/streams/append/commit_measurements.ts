/**
 * What metrics and traces learn of a group commit: one reading of the clock serves all appends in it, and
 * one span, which links to the requests of all.
 */
import { measurements } from "../../lib/telemetry/measurements.ts";
import type { SharedWork, TracedRequest } from "../../lib/telemetry/tracing.ts";
import type { StreamWrite } from "./stream_queue.ts";

export interface MeasuredCommit {
  /** As `performance.now()`. */
  readonly began: number;
  /** By stream id, the writes that did not take place and whose appends have no answer yet. */
  readonly decidedAgain: ReadonlyMap<number, unknown>;
}

/** To be called when the appends of these writes have been answered. */
export function measureCommit(
  writes: readonly StreamWrite[],
  { began, decidedAgain }: MeasuredCommit,
): void {
  const now = performance.now();
  let appends = 0;
  let bytes = 0;
  let streams = 0;
  for (const { answers, after, stream } of writes) {
    if (decidedAgain.has(stream.id)) continue;
    streams++;
    appends += answers.length;
    bytes += after.tail - stream.tail;
    for (const [append] of answers) measurements.appends.observe(now - append.admittedAt);
  }
  measurements.commits.observe(now - began);
  measurements.commitAppends.observe(appends);
  measurements.commitBytes.observe(bytes);
  measurements.commitStreams.observe(streams);
}

export function traceOfCommit(writes: readonly StreamWrite[]): SharedWork {
  const requests: (TracedRequest | null | undefined)[] = [];
  for (const { answers } of writes) for (const [{ traced }] of answers) requests.push(traced);
  const bytes = writes.reduce((sum, { after, stream }) => sum + after.tail - stream.tail, 0);
  const attributes = {
    "penstock.commit.appends": requests.length,
    "penstock.commit.streams": writes.length,
    "penstock.commit.bytes": bytes,
  };
  return { name: "commit", requests, attributes };
}
