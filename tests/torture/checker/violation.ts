/** One thing that must not be, with the operations that show it. */
export interface Violation {
  /** Short and always the same for the same kind, for counting. */
  readonly rule: Rule;
  readonly path: string;
  /** What was seen, in a sentence. */
  readonly seen: string;
  /** Ids of the operations that contradict each other. */
  readonly operations: readonly number[];
}

export type Rule =
  | "unexpected answer"
  | "no answer in time"
  | "no service in the recovery window"
  | "false 404"
  | "false 409"
  | "false 403"
  | "undead stream"
  | "resurrected record"
  | "outlived its TTL"
  | "lost append"
  | "doubled append"
  | "readers disagree"
  | "refused yet stored"
  | "changed bytes"
  | "misplaced record"
  | "wrong fork point"
  | "torn record"
  | "wrong range"
  | "read before it was written"
  | "stale"
  | "dropped, and yet served"
  | "dropped by nobody"
  | "beginning fell"
  | "out of order"
  | "closed, then open"
  | "closed by nobody"
  | "two ends"
  | "fenced producer wrote"
  | "duplicate taken twice"
  | "producer out of order"
  | "took a regression"
  | "stored out of Stream-Seq"
  | "follower's gap"
  | "follower's duplicate"
  | "follower left behind";
