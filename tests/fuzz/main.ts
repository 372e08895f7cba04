/**
 * `deno task fuzz`: broken and strange requests by the thousand, against a real server.
 *
 *     deno task fuzz [--seed N] [--long | --requests N] [--from CASE]
 *                    [--runtime deno|bun|binary] [--binary] [--postgres] [--pressed]
 *
 * A failure is printed with its seed and its case; `--seed N --from CASE` begins with it.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { Runtime } from "../support/server.ts";
import { assertNothingLeaked, runCampaign } from "./campaign.ts";

const LONG = 200_000;
const SHORT = 10_000;

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    long: { type: "boolean", default: false },
    requests: { type: "string" },
    from: { type: "string", default: "0" },
    runtime: { type: "string", default: "deno" },
    binary: { type: "boolean", default: false },
    postgres: { type: "boolean", default: false },
    pressed: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const requests = Number(values.requests ?? (values.long ? LONG : SHORT));
const runtime = (values.binary ? "binary" : values.runtime) as Runtime;
// Without PENSTOCK_TEST_DATABASE_URL, this process starts a PostgreSQL of its own.
const kind = values.postgres ? "postgres" : "embedded";
console.log(`fuzzing ${runtime} on ${kind}: seed ${seed}, ${requests} requests`);

const result = await runCampaign({
  seed,
  from: Number(values.from),
  requests,
  runtime,
  kind,
  pressed: values.pressed,
  every: Math.ceil(requests / 10),
  say: console.log,
});
const outcomes = [...result.outcomes].sort(([a], [b]) => a < b ? -1 : 1);
console.log(outcomes.map(([outcome, count]) => `${outcome}: ${count}`).join("  "));
console.log(`${result.requests} requests in ${result.seconds.toFixed(1)} s`);
for (const { index, what, fault } of result.failures) {
  console.log(`\nFAILED, --seed ${seed} --from ${index}: ${fault}\n  ${what}`);
}
for (const line of result.logged.slice(0, 20)) console.log(line);
if (result.failures.length > 0) process.exit(1);
assertNothingLeaked(result.measured, 64);
console.log("no failures, nothing leaked");
process.exit(0);
