/** One append that waits for its commit, and the order in which a producer's appends are decided. */
import type { Refusal } from "../../errors.ts";
import type { TracedRequest } from "../../lib/telemetry/tracing.ts";
import type { StoredBody } from "../stored_body.ts";
import type { Appended, AppendRequest } from "./decide.ts";

export type AppendOutcome = Appended | Refusal;

export interface WaitingAppend {
  readonly request: AppendRequest;
  /** How many commits had been started when it arrived. */
  readonly commitsStartedBefore: number;
  /** As `performance.now()`. */
  readonly admittedAt: number;
  /** Null, or not there: it is not traced. */
  readonly traced?: TracedRequest | null;
  /** The body as it will be stored: parsed once, however often the append is decided. */
  stored?: StoredBody;
  /** Whether it may (still) be held for the sequence numbers before its own. */
  mayBeHeld: boolean;
  resolve(outcome: AppendOutcome): void;
  reject(error: unknown): void;
}

/**
 * Puts the appends of each producer among themselves into the order of their epochs and sequence
 * numbers, in the places that they hold together. All other appends stay where they are.
 */
export function sortByProducer(appends: WaitingAppend[]): void {
  const placesByProducer = new Map<string, number[]>();
  appends.forEach(({ request: { producer } }, place) => {
    if (producer === null) return;
    const places = placesByProducer.get(producer.id);
    if (places === undefined) placesByProducer.set(producer.id, [place]);
    else places.push(place);
  });
  for (const places of placesByProducer.values()) {
    if (places.length === 1) continue;
    const ordered = places.map((place) => appends[place]!).sort((a, b) =>
      a.request.producer!.epoch - b.request.producer!.epoch ||
      a.request.producer!.seq - b.request.producer!.seq
    );
    places.forEach((place, at) => appends[place] = ordered[at]!);
  }
}
