/**
 * What must hold whatever a request contains and whatever a database answers. A violation is a
 * defect of Penstock: the operation fails with it (HTTP: 500) before anything false is written.
 */

export class InvariantViolation extends Error {
  override name = "InvariantViolation";
}

/**
 * @param rule a constant: a message put together for every call would cost the hot path
 * @throws InvariantViolation when the rule does not hold
 */
export function assertInvariant(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new InvariantViolation(`invariant violated: ${rule}`);
}
