import assert from "node:assert/strict";
import { parseOptions } from "../../bench/options.ts";
import { runRounds } from "../../bench/rounds.ts";
import { scenarios, selected } from "../../bench/scenarios/all.ts";
import { type Scenario, THROUGHPUT } from "../../bench/scenarios/scenario.ts";
import { parseStat } from "../../bench/servers/proc.ts";
import { Fleet } from "../../bench/servers/fleet.ts";
import { LeftOut } from "../../bench/servers/subjects.ts";

const effort = { quick: false, large: false, seconds: 1, heldSeconds: 1 };

/** On `given`, the one subject that needs no server to be started. */
function scenario(id: string, run: Scenario["run"]): Scenario {
  const subjects = ["given"] as const;
  return { id, title: id, targets: [], metrics: THROUGHPUT, subjects, run };
}

function plan(list: readonly Scenario[], rounds: number) {
  const fleet = new Fleet({ givenUrl: "http://127.0.0.1:1" });
  return { scenarios: list, fleet, effort, rounds, includes: () => true, report: () => {} };
}

Deno.test("a scenario has a sample a round, and makes what it needs once", async () => {
  let made = 0;
  const counted = scenario("counted", async ({ round, once }) => {
    await once("thing", () => Promise.resolve(made++));
    return { values: { rate: round } };
  });
  const [figure] = await runRounds(plan([counted], 3));
  assert.deepEqual(figure?.samples.map(({ values }) => values.rate), [0, 1, 2]);
  assert.equal(made, 1);
});

Deno.test("a scenario that fails reports why, keeps its samples, and the run goes on", async () => {
  const failing = scenario("failing", ({ round }) => {
    if (round > 0) return Promise.reject(new Error("\x1b[31mthe disk is full\x1b[0m\n  at x"));
    return Promise.resolve({ values: { rate: 1 } });
  });
  const fine = scenario("fine", () => Promise.resolve({ values: { rate: 2 } }));
  const [first, second] = await runRounds(plan([failing, fine], 3));
  assert.deepEqual([first?.samples.length, first?.error], [1, "the disk is full"]);
  assert.deepEqual([second?.samples.length, second?.error], [3, undefined]);
});

Deno.test("what this machine cannot measure is left out at once, and is no failure", async () => {
  let tries = 0;
  const missing = scenario("missing", () => {
    tries++;
    return Promise.reject(new LeftOut("cargo is not installed"));
  });
  const [figure] = await runRounds(plan([missing], 3));
  assert.deepEqual([figure?.leftOut, figure?.error], ["cargo is not installed", undefined]);
  assert.equal(tries, 1);
});

Deno.test("what is made for a run is made once for all its scenarios", async () => {
  let made = 0;
  const run: Scenario["run"] = async ({ once }) => {
    await once("thing", () => Promise.resolve(made++), "run");
    return { values: {} };
  };
  await runRounds(plan([scenario("a", run), scenario("b", run)], 2));
  assert.equal(made, 1);
});

Deno.test("--only selects by the beginning of a name, a word at a time", () => {
  const all = scenarios({ quick: false, large: true });
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  const ids = (...only: string[]) => selected(all, only).map(({ id }) => id);
  assert.deepEqual(ids("read", "start"), ["read", "read-304", "start"]);
  assert.ok(ids("append").includes("append-100000-streams"));
  assert.ok(!ids().includes("horizon") && ids().includes("read"));
  assert.ok(ids("horizon").includes("horizon-slot") && ids("peers").includes("peers-read"));
  assert.throws(() => selected(all, ["rea"]), /no such scenario/);
});

Deno.test("options have their defaults, and nonsense is refused", () => {
  const full = parseOptions([]);
  assert.ok(typeof full === "object" && full.rounds === 5 && full.effort.seconds === 3);
  const quick = parseOptions(["--quick", "--only", "append,read", "--url", "http://h:1/x"]);
  assert.ok(typeof quick === "object" && quick.rounds === 1 && quick.url === "http://h:1");
  assert.deepEqual(quick.only, ["append", "read"]);
  const held = (...args: string[]) => {
    const options = parseOptions(args);
    return typeof options === "object" ? options.effort.heldSeconds : undefined;
  };
  assert.deepEqual([held(), held("--quick"), held("--minutes", "3", "--quick")], [600, 40, 180]);
  assert.throws(() => parseOptions(["--rounds", "0"]), /--rounds/);
  assert.throws(() => parseOptions(["--fast"]));
});

Deno.test("a process's times are read past a name with brackets and spaces", () => {
  const fields = ["S", "42", ...new Array(9).fill("0"), "7", "5", "3", "1"].join(" ");
  const times = parseStat(`9 (a b) c) ${fields} 20 0`);
  assert.deepEqual(times, { parent: 42, own: 120_000, reapedChildren: 40_000 });
});
