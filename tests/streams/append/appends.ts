/** Streams, appends and queues for tests of the parts of the append path, without a database. */
import type { AppendRequest } from "../../../src/streams/append/decide.ts";
import { StreamQueue } from "../../../src/streams/append/stream_queue.ts";
import type { AppendOutcome, WaitingAppend } from "../../../src/streams/append/waiting_append.ts";
import type { StreamState } from "../../../src/streams/stream_state.ts";

export const bytesOf = (text: string) => new TextEncoder().encode(text);

export function streamOf(parts: Partial<StreamState> = {}): StreamState {
  const base = {
    id: 7,
    contentType: "text/plain",
    tail: 100,
    ttlSeconds: null,
    closed: false,
    state: "active" as const,
  };
  const chain = { forkPosition: null, sources: [] };
  return { ...base, ...chain, expired: false, lastSeq: null, ...parts } as StreamState;
}

/** An append, and what became of it. */
export interface TestAppend extends WaitingAppend {
  outcome?: AppendOutcome;
  error?: unknown;
}

export function appendOf(
  body: string | Uint8Array,
  parts: Partial<AppendRequest> = {},
): TestAppend {
  const append: TestAppend = {
    request: {
      contentType: "text/plain",
      body: typeof body === "string" ? bytesOf(body) : body,
      closes: false,
      streamSeq: null,
      producer: null,
      ...parts,
    },
    commitsStartedBefore: 0,
    admittedAt: 0,
    mayBeHeld: parts.producer != null,
    resolve: (outcome) => append.outcome = outcome,
    reject: (error) => append.error = error,
  };
  return append;
}

/** A queue that knows its stream, with appends that wait in it. */
export function queueOf(stream: StreamState | null, ...appends: WaitingAppend[]): StreamQueue {
  const queue = new StreamQueue(`stream/${stream?.id ?? "unknown"}`);
  if (stream !== null) queue.setStream(stream);
  addTo(queue, ...appends);
  return queue;
}

export function addTo(queue: StreamQueue, ...appends: WaitingAppend[]): void {
  queue.waiting.push(...appends);
  for (const { request } of appends) queue.bytes += request.body.length;
}
