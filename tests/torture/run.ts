/** `deno task torture`: see --help. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Baseline, quantile } from "./baseline.ts";
import { TOPOLOGIES, type Topology } from "./cluster.ts";
import { serialise } from "./history.ts";
import { explain, summary } from "./report.ts";
import { torture, type TortureResult } from "./torture.ts";

const HELP = `deno task torture [options]

Runs real nodes on a real PostgreSQL, breaks them in every way a seed says while clients write, read
and follow, and proves from everything the clients saw that nothing was lost, doubled or reordered.

  --topology NAME  embedded, nodes, failover; or all in turn (default)
  --minutes N      of faults, for each topology (default 1)
  --seed S         a whole number; another one each time by default
  --kills N        instead: kill -9 a node, start it and read everything, so many times
  --nodes N        nodes on one PostgreSQL (default 3)
  --streams N      streams in use at once (default 5)
  --think MS       between two appends of one writer, on average (default 60)
  --keep           keeps the history of a run in which nothing was wrong, too
  --binary         runs dist/penstock, as deno task compile made it

Exits with 1 when a promise was broken; the seed and the history of the run are printed then.`;

const { values } = parseArgs({
  options: {
    topology: { type: "string", default: "all" },
    minutes: { type: "string", default: "1" },
    seed: { type: "string" },
    kills: { type: "string" },
    nodes: { type: "string", default: "3" },
    streams: { type: "string", default: "5" },
    think: { type: "string", default: "60" },
    keep: { type: "boolean", default: false },
    binary: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const seed = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
const chosen = values.topology === "all"
  ? TOPOLOGIES
  : TOPOLOGIES.filter((name) => name === values.topology);
if (chosen.length === 0) {
  console.error(`there is no topology ${values.topology}\n\n${HELP}`);
  process.exit(2);
}

let failed = false;
for (const topology of chosen) {
  const length = values.kills === undefined ? `${values.minutes} min` : `${values.kills} kills`;
  console.log(`\n${topology}, seed ${seed}, ${length}`);
  const result = await torture({
    topology,
    seed,
    until: values.kills === undefined
      ? { ms: Number(values.minutes) * 60_000 }
      : { kills: Number(values.kills) },
    nodes: topology === "embedded" ? 1 : Number(values.nodes),
    runtime: values.binary ? "binary" : "deno",
    streams: Number(values.streams),
    thinkMs: Number(values.think),
    measure: true,
    say: (line) => console.log(`  ${line}`),
  });
  failed = report(topology, result) || failed;
}
process.exit(failed ? 1 : 0);

/** Returns whether there is something to be ashamed of. */
function report(topology: Topology, result: TortureResult): boolean {
  const { history, baseline, violations, troubles, panics, logs } = result;
  if (baseline !== null) console.log(describe(baseline));
  console.log(summary(history));
  const { operations, faults } = history;
  console.log(
    `\n${topology}: ${operations.length} operations checked, ${faults.length} faults injected, ` +
      `${violations.length} violations, ${troubles.length} troubles`,
  );
  for (const trouble of troubles) console.log(trouble);
  if (panics > 0) console.log(`${panics} nodes ended by a panic of Deno without file descriptors`);
  const broken = violations.length > 0 || troubles.length > 0;
  if (!broken && !values.keep) return false;
  console.log(explain(history, violations));
  const folder = mkdtempSync(join(tmpdir(), "penstock-torture-history-"));
  writeFileSync(join(folder, "history.json"), serialise(history));
  logs.forEach((log, at) => writeFileSync(join(folder, `node-${at}.log`), log));
  console.log(`\nseed ${seed}, topology ${topology}; history and logs are in ${folder}`);
  return broken;
}

function describe({ wakeups, split: [one, other] }: Baseline): string {
  const [p50, p95, most] = [0.5, 0.95, 1].map((part) => quantile(wakeups, part).toFixed(1));
  const share = (100 * one / (one + other)).toFixed(1);
  return `wake-ups across nodes, after the ack: p50 ${p50} ms, p95 ${p95} ms, most ${most} ms\n` +
    `two nodes on one stream: ${one} and ${other} appends in 2 s (${share} % and ` +
    `${(100 - Number(share)).toFixed(1)} %)\n`;
}
