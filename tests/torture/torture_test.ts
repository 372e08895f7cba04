/** Short runs of `deno task torture`, each with the same schedule of faults every time. */
import assert from "node:assert/strict";
import type { Topology } from "./cluster.ts";
import { explain, summary } from "./report.ts";
import { torture } from "./torture.ts";

const RUNS: readonly { topology: Topology; seed: number; seconds: number }[] = [
  { topology: "embedded", seed: 5, seconds: 12 },
  { topology: "nodes", seed: 7, seconds: 22 },
  { topology: "failover", seed: 8, seconds: 18 },
];

for (const { topology, seed, seconds } of RUNS) {
  Deno.test(`torture: ${topology}, seed ${seed}, ${seconds} s: no promise is broken`, async () => {
    const { history, violations, troubles } = await torture({
      topology,
      seed,
      until: { ms: seconds * 1000 },
      nodes: topology === "embedded" ? 1 : 3,
      runtime: "deno",
      streams: 4,
      thinkMs: 60,
      measure: false,
      say: () => {},
    });
    console.log(summary(history));
    assert.ok(history.operations.length > 200, "hardly anything was tried");
    assert.ok(history.faults.length > 0, "nothing was broken");
    assert.deepEqual(troubles, []);
    assert.equal(violations.length, 0, explain(history, violations));
  });
}
