/**
 * What this process counts and times on its hot path: plain numbers, which `/metrics` reads when it
 * is asked. There is one set per process, as there is one `/metrics`; code adds to it in one line,
 * and nothing here can fail or wait. Names of streams, producers and subscriptions never come here.
 */
import { BYTES, COUNTS, Distribution, LATENCY_MS } from "./distribution.ts";
import { RequestCounts } from "./request_counts.ts";

/** Something that is bounded, as it is now. */
export interface Level {
  /** Requests or bytes, now. */
  readonly value: () => number;
  /** Where requests begin to be turned away; Infinity: nowhere. */
  readonly limit: number;
}

class Measurements {
  readonly requests = new RequestCounts();
  /** Refused requests by the kind of refusal; see `errors.ts`. */
  readonly refusals = new Map<string, number>();
  /** Requests that were turned away by what was full; see `Overloaded`. */
  readonly turnedAway = new Map<string, number>();

  /** From an append's admission to its answer, milliseconds. */
  readonly appends = new Distribution(LATENCY_MS);
  /** Group commits, from the statement to the answers of their appends, milliseconds. */
  readonly commits = new Distribution(LATENCY_MS);
  readonly commitAppends = new Distribution(COUNTS);
  readonly commitBytes = new Distribution(BYTES);
  readonly commitStreams = new Distribution(COUNTS);
  /** Queries that load streams' states, milliseconds, and the requests that share one. */
  readonly stateLoads = new Distribution(LATENCY_MS);
  readonly stateLoadRequests = new Distribution(COUNTS);
  /** Pages that had to be loaded from the database, milliseconds. */
  readonly pages = new Distribution(LATENCY_MS);
  /** From the first change to be notified of until all followers here are, milliseconds. */
  readonly fanOuts = new Distribution(LATENCY_MS);
  /** From NOTIFY on one connection until it is heard on the one that listens, milliseconds. */
  readonly wakeUps = new Distribution(LATENCY_MS);
  /** From a commit, on whatever node, until a follower here that waited has its bytes, milliseconds. */
  readonly deliveries = new Distribution(LATENCY_MS);
  /** How long the last NOTIFY took from one of our connections to the other, milliseconds. */
  notifyMs = 0;
  /** Time that the event loop was late, milliseconds. */
  readonly eventLoopDelays = new Distribution(LATENCY_MS);

  /** Bytes of bodies to be stored, and of streams' content that were sent. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Messages in bodies to be stored: JSON values, or one per body of another content type. */
  messagesReceived = 0;
  eventsSent = 0;
  /** Messages in what was sent of streams: as `messagesReceived` counts them. */
  messagesSent = 0;

  /** Spans that the collector took, and those that it did not or for which there was no room. */
  spansSent = 0;
  spansDropped = 0;

  longPolls = 0;
  /** LISTEN: 1 in force, 0 not. Null: this node does not listen. */
  listening: 0 | 1 | null = null;
  /** When the database was found to be away, as `performance.now()`; null: it answers. */
  databaseAwaySince: number | null = null;

  /** How often each cache had what was asked for, and how often it had not. */
  readonly caches = {
    pages: { hits: 0, misses: 0 },
    responses: { hits: 0, misses: 0 },
    events: { hits: 0, misses: 0 },
  };
  /** Bytes held by each part, and how many requests wait in each queue. */
  readonly memory = new Map<string, Level>();
  readonly queues = new Map<string, Level>();

  turnAway(by: string): void {
    this.turnedAway.set(by, (this.turnedAway.get(by) ?? 0) + 1);
  }

  refuse(kind: string): void {
    this.refusals.set(kind, (this.refusals.get(kind) ?? 0) + 1);
  }

  /** The part or queue that is full, so that not even a small request fits; null: none. */
  get full(): string | null {
    for (const levels of [this.memory, this.queues]) {
      for (const [name, { value, limit }] of levels) if (value() >= limit) return name;
    }
    return null;
  }
}

export const measurements = new Measurements();
