/**
 * `deno task bench`: Penstock beside the official server, an empty handler and PostgreSQL alone,
 * in one run on one machine. Prints a table of figures and one of the targets; leaves JSON and a
 * page with plots in bench/results.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { loadTool } from "./load/request_load.ts";
import { killScripts } from "./load/scripts.ts";
import { HELP, type Options, parseOptions } from "./options.ts";
import type { Run } from "./report/figures.ts";
import { renderHtml } from "./report/html.ts";
import { horizonTables } from "./report/horizon.ts";
import { describeMachine } from "./report/machine.ts";
import { renderPeers } from "./report/peers.ts";
import { smallAppendTables } from "./report/small_appends.ts";
import { renderReportTable, renderTable, renderTargets } from "./report/table.ts";
import { verdicts } from "./report/targets.ts";
import { runRounds } from "./rounds.ts";
import { scenarios, selected } from "./scenarios/all.ts";
import { Fleet } from "./servers/fleet.ts";

const RESULTS = join(import.meta.dirname ?? ".", "results");
const BINARY = join(import.meta.dirname ?? ".", "../dist/penstock");

async function bench(options: Options, fleet: Fleet): Promise<Run> {
  const begun = new Date();
  const { effort, rounds, url } = options;
  const chosen = selected(scenarios(effort), options.only);
  const postgresUrl = url === undefined ? (await fleet.postgres()).url : undefined;
  const machine = await describeMachine(postgresUrl);
  const figures = await runRounds({
    ...{ scenarios: chosen, fleet, effort, rounds },
    includes: (id) => (id === "given") === (url !== undefined),
    report: (line) => console.error(`${elapsed(begun)} ${line}`),
  });
  return {
    ...{ begun: begun.toISOString(), rounds, effort, machine, figures },
    generator: await loadTool(),
    seconds: (Date.now() - begun.getTime()) / 1000,
  };
}

function elapsed(since: Date): string {
  return `${((Date.now() - since.getTime()) / 1000).toFixed(0).padStart(4)} s`;
}

/** Which of the two made dist/penstock: Deno's executables carry this mark. */
function binaryRuntime(): "deno" | "bun" {
  try {
    execFileSync("grep", ["-q", "d3n0l4nd", BINARY]);
    return "deno";
  } catch {
    return "bun";
  }
}

function write(run: Run, options: Options): void {
  const judged = verdicts(run.figures, binaryRuntime());
  const given = options.json;
  const stamp = run.begun.replaceAll(/[:.]/g, "-");
  const json = given === undefined ? join(RESULTS, `bench-${stamp}.json`) : resolve(given);
  const html = json.replace(/(\.json)?$/, ".html");
  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(json, JSON.stringify({ ...run, verdicts: judged }, null, 2) + "\n");
  writeFileSync(html, renderHtml(run, judged));
  console.log(renderTable(run));
  console.log(renderPeers(run.figures));
  for (const table of [...horizonTables(run.figures), ...smallAppendTables(run.figures)]) {
    console.log(renderReportTable(table));
  }
  console.log(renderTargets(judged, run.effort));
  console.log(`${json}\n${html}`);
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") {
    console.log(HELP);
    return 0;
  }
  if (options === "list") {
    for (const { id, title } of scenarios({ quick: false, large: true })) {
      console.log(`${id.padEnd(26)}${title}`);
    }
    return 0;
  }
  const fleet = new Fleet(options.url === undefined ? {} : { givenUrl: options.url });
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    // Servers that are stopped would outlive an interrupted run, and for ever.
    process.on(name, () => {
      killScripts();
      void fleet.end().finally(() => process.exit(130));
    });
  }
  try {
    const run = await bench(options, fleet);
    write(run, options);
    return run.figures.some(({ error }) => error !== undefined) ? 1 : 0;
  } finally {
    await fleet.end();
  }
}

try {
  process.exit(await main());
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(2);
}
