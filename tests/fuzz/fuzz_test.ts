/** A short campaign of the fuzzer; `deno task fuzz --long` is the real one. */
// Runs alone: it measures the memory of a process and sends as fast as it can.
import assert from "node:assert/strict";
import process from "node:process";
import { assertNothingLeaked, runCampaign } from "./campaign.ts";

const SEED = Number(process.env.PENSTOCK_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

for (const kind of ["embedded", "postgres"] as const) {
  Deno.test(`thousands of strange requests leave a server on ${kind} as it was, seed ${SEED}`, async () => {
    const { failures, logged, measured } = await runCampaign({
      seed: SEED,
      requests: 3000,
      runtime: "deno",
      kind,
      every: 1000,
    });
    assert.deepEqual(failures, [], `repeat with deno task fuzz --seed ${SEED} --from CASE`);
    assert.deepEqual(logged, []);
    assertNothingLeaked(measured, 64);
  });
}

Deno.test(`with next to no room, what is refused is refused well, seed ${SEED}`, async () => {
  const { failures, logged, outcomes } = await runCampaign({
    seed: SEED,
    requests: 3000,
    runtime: "deno",
    kind: "embedded",
    every: 1500,
    pressed: true,
  });
  assert.deepEqual(failures, [], `repeat with deno task fuzz --pressed --seed ${SEED} --from CASE`);
  assert.deepEqual(logged, []);
  assert.ok((outcomes.get("503") ?? 0) > 0, "nothing was refused");
  assert.ok((outcomes.get("204") ?? 0) > 0, "everything was refused");
});
