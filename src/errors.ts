/**
 * The closed union of the ways an operation on a stream can be refused. The domain returns these;
 * `http/refusals.ts` is the one table that turns them into a status, headers and a body.
 */

export type Refusal =
  | { readonly kind: "not_found" }
  /** Soft-deleted: its path is taken, its bytes serve its forks only. */
  | { readonly kind: "gone" }
  /** The stream is closed; `tail` is its final position. */
  | { readonly kind: "closed"; readonly tail: number }
  | { readonly kind: "content_type_mismatch"; readonly expected: string }
  /** Stream-Seq is not greater than the last one accepted. */
  | { readonly kind: "sequence_regression" }
  /** A newer epoch of this producer has written. */
  | { readonly kind: "stale_epoch"; readonly epoch: number }
  | { readonly kind: "sequence_gap"; readonly expected: number; readonly received: number }
  /** PUT: what exists differs from what was asked for. */
  | { readonly kind: "conflict"; readonly message: string }
  /** The request itself is wrong, whatever the stream's state. */
  | { readonly kind: "invalid"; readonly code: string; readonly message: string };

/** A refusal thrown through layers that return something else. */
export class Refused extends Error {
  override name = "Refused";
  constructor(readonly refusal: Refusal) {
    super(refusal.kind);
  }
}

/**
 * More is under way than this node takes on: nothing has been done, and trying again later helps.
 * HTTP: 503 with Retry-After.
 */
export class Overloaded extends Error {
  override name = "Overloaded";
}

export function invalid(code: string, message: string): Refusal {
  return { kind: "invalid", code, message };
}
