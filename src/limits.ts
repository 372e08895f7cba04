/**
 * What one node may hold in memory, part by part, and how much of everything may wait. Each part of
 * the code enforces its own limit; the numbers stand here together, so that their sum can be seen.
 */

const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** Bytes that are in progress: the parts of `--max-buffered-bytes`. */
export interface BufferedBytes {
  /** Request bodies on their way in. */
  readonly received: number;
  /** Bodies of appends that wait for the database. */
  readonly appends: number;
  /** Bodies of creations and forks that wait for the database. */
  readonly creations: number;
  /** Pages on their way out. */
  readonly sent: number;
}

/**
 * Divides what `--max-buffered-bytes` allows. A body is held twice for a moment: while it arrives
 * and while it waits. A single body or page larger than its part still passes, alone.
 */
export function divideBufferedBytes(total: number): BufferedBytes {
  return {
    received: total * 0.25,
    appends: total * 0.1875,
    creations: total * 0.0625,
    sent: total * 0.5,
  };
}

/** Bytes that are cached, whatever is in progress. */
export const CACHED_BYTES = {
  /** Recent segments, for followers and reads near the tail. */
  segments: 64 * MIB,
  /** Pages and large segments, for readers that replay the same stream at about the same time. */
  catchUp: 16 * MIB,
  /** Whole responses to small reads up to the tail: so many, of bodies so long. */
  responses: { count: 512, longest: 16 * KIB },
  /** SSE frames: so many of a stream, of so many streams, so long. */
  frames: { streams: 256, perStream: 4, longest: 96 * KIB },
} as const;

/** The most that the caches hold together, in bytes. */
export function totalCachedBytes(): number {
  const { segments, catchUp, responses, frames } = CACHED_BYTES;
  return segments + catchUp + responses.count * responses.longest +
    frames.streams * frames.perStream * frames.longest;
}

/** How many requests may wait for the database; more get 503. */
export const WAITING = {
  appends: 20_000,
  creations: 20_000,
  /** Loads of streams' states: one for each read. */
  stateLoads: 20_000,
  /** Loads of segments: reads of bytes that are not cached. */
  segmentLoads: 10_000,
} as const;

/** How many things the node remembers between requests. */
export const REMEMBERED = {
  /** Streams appended to lately, half a kilobyte each: 75 MiB. */
  streamQueues: 150_000,
  /** Producers of one stream, a hundred bytes each; with more, all are loaded again. */
  producersPerStream: 20_000,
  /** Chains of forks, a hundred bytes each as a rule. */
  forkChains: 20_000,
  /** Streams of which small segments were found, a hundred bytes each. */
  streamsToMerge: 20_000,
} as const;
