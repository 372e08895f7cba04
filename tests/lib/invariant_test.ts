import assert from "node:assert/strict";
import { assertInvariant, InvariantViolation } from "../../src/lib/invariant.ts";

Deno.test("assertInvariant throws what names the rule, and only when it does not hold", () => {
  assertInvariant(true, "a tail never falls");
  assert.throws(
    () => assertInvariant(false, "a tail never falls"),
    (error) => error instanceof InvariantViolation && /a tail never falls/.test(error.message),
  );
});
