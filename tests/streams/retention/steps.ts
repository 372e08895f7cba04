/** The steps of the model of trimming, in any order. `where` is a place in the stream, from 0 to 1. */
import fc from "fast-check";

export type Step =
  | { readonly kind: "append"; readonly size: number; readonly count: number }
  | { readonly kind: "trim" | "fork" | "follow" | "ack"; readonly where: number }
  | { readonly kind: "delete" | "go_on" | "maintain" | "repeat" }
  | { readonly kind: "retain"; readonly bytes: number };

const share = fc.double({ min: 0, max: 1, noNaN: true });
export const steps = fc.array(
  fc.record({
    stream: fc.nat(),
    step: fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("append" as const),
          size: fc.integer({ min: 1, max: 30_000 }),
          count: fc.integer({ min: 1, max: 4 }),
        }),
      },
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constantFrom(
            "trim" as const,
            "fork" as const,
            "follow" as const,
            "ack" as const,
          ),
          where: share,
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom(
            ...["delete", "go_on", "go_on", "maintain", "repeat"] as const,
          ),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("retain" as const),
          bytes: fc.integer({ min: 1, max: 60_000 }),
        }),
      },
    ),
  }),
  { minLength: 5, maxLength: 45 },
);
