/** The checker, on forks that leave inside a record, and on forks of forks. */
import assert from "node:assert/strict";
import type { Create, Read } from "../history.ts";
import { messagesOf } from "../records.ts";
import type { Scenario } from "./scenario.ts";
import { begun, finds, findsNothing, records, rulesFound } from "./support.ts";

/** Where the records of "s" end. */
function ends(scenario: Scenario, path = "s"): number[] {
  let at = 0;
  return records(scenario, path).map((record) => at += scenario.lengthOf(record));
}

/** A fork of "s" that leaves 20 bytes into its third record, and goes on with two of its own. */
function forked(): { scenario: Scenario; cut: number; fork: Create } {
  const scenario = begun();
  const anchor = ends(scenario)[1]!;
  const by = { anchor, subOffset: 20 };
  const cut = anchor + 20;
  const fork = scenario.create("fork", { fork: { source: "s", position: cut, by } });
  scenario.append("fork");
  scenario.append("fork");
  return { scenario, cut, fork };
}

/** A fork of that one, and of what it inherited. */
function deep(): { scenario: Scenario; cut: number } {
  const { scenario, cut } = forked();
  scenario.create("deep", { fork: { source: "fork", position: scenario.tailOf("fork") - 30 } });
  scenario.create("shallow", { fork: { source: "fork", position: cut - 5 } });
  for (const path of ["deep", "shallow"]) scenario.append(path);
  return { scenario, cut };
}

/** Changes what the pieces of the last answer that begin or end there showed. */
function change(scenario: Scenario, path: string, twist: (piece: Read) => Partial<Read>): void {
  const { operations } = scenario.history;
  for (const one of operations) {
    if (one.kind === "read" && one.path === path) operations[one.id] = { ...one, ...twist(one) };
  }
}

Deno.test("forks of forks, inside records, are found right from any place", () => {
  const { scenario, cut } = deep();
  scenario.append("s");
  scenario.append("fork");
  for (const path of ["s", "fork", "deep", "shallow"]) {
    for (const start of [0, 5, cut - 20, cut - 7, cut - 5, cut - 1, cut, cut + 3]) {
      if (start <= scenario.tailOf(path)) scenario.read(path, { start });
    }
    scenario.settle(path);
  }
  scenario.create("bare", { fork: { source: "fork", position: cut } });
  scenario.settle("bare");
  scenario.delete("fork");
  scenario.settle("deep");
  findsNothing(scenario);
});

Deno.test("forks: a byte more or less than asked for, by the answer that made them", () => {
  for (const off of [-1, 1]) {
    const { scenario, fork, cut } = forked();
    scenario.history.operations[fork.id] = { ...fork, tail: cut + off };
    finds(scenario, "wrong fork point");
  }
});

Deno.test("forks: a byte more than asked for, by what is read", () => {
  const { scenario } = forked();
  const cutOff = records(scenario, "fork")[2]!;
  scenario.streams.get("fork")!.cutOff.set(cutOff, 21);
  scenario.read("fork");
  finds(scenario, "wrong fork point");
});

Deno.test("forks: a byte less than asked for, by what is read", () => {
  const { scenario } = forked();
  scenario.read("s");
  const cutOff = records(scenario, "fork")[2]!;
  scenario.streams.get("fork")!.cutOff.set(cutOff, 19);
  scenario.read("fork");
  finds(scenario, "changed bytes");
});

Deno.test("forks: a byte more, between records", () => {
  const scenario = begun();
  const [, second] = ends(scenario);
  scenario.create("fork", { fork: { source: "s", position: second! } });
  const third = records(scenario)[2]!;
  records(scenario, "fork").push(third);
  scenario.streams.get("fork")!.cutOff.set(third, 1);
  scenario.append("fork", {}, { tail: null });
  scenario.read("fork");
  finds(scenario, "wrong fork point");
});

Deno.test("forks: one byte of the record that was cut off", () => {
  const { scenario, cut } = forked();
  scenario.read("s");
  scenario.read("fork");
  findsNothing(scenario);
  change(
    scenario,
    "fork",
    ({ end, rest }) => end === cut ? { rest: rest.replace("path", "pith") } : {},
  );
  finds(scenario, "changed bytes");
});

Deno.test("forks: messages are counted, those of one append too", () => {
  const scenarioOf = (messages: number) => {
    const scenario = begun();
    const anchor = scenario.tailOf("s");
    const shape = scenario.history.newRecord("s", 3, 20);
    scenario.append("s", { record: shape.id });
    const text = messagesOf(shape).slice(0, messages).map((message) => message + "\n").join("");
    const fork = {
      source: "s",
      position: anchor + new TextEncoder().encode(text).length,
      by: { anchor, subOffset: 2 },
    };
    scenario.create("fork", { fork }, { json: true });
    scenario.append("fork");
    for (const path of ["s", "fork"]) scenario.settle(path);
    return scenario;
  };
  findsNothing(scenarioOf(2));
  assert.deepEqual(rulesFound(scenarioOf(1)), ["wrong fork point"]);
  assert.deepEqual(rulesFound(scenarioOf(3)), ["wrong fork point"]);
});

Deno.test("forks of forks: the source's bytes where the fork between has its own", () => {
  const { scenario } = deep();
  const { record } = scenario.append("s");
  // The one that "fork" wrote first, as if the source had never been left.
  records(scenario, "deep")[3] = record!;
  scenario.read("deep");
  finds(scenario, "misplaced record");
});

Deno.test("forks of forks: an append to the fork between shows in the other", () => {
  const { scenario } = deep();
  const { record } = scenario.append("fork");
  records(scenario, "deep").push(record!);
  scenario.read("deep");
  finds(scenario, "misplaced record");
});

Deno.test("forks of forks: another order than in a stream they both come from", () => {
  const { scenario } = deep();
  const inherited = records(scenario, "deep");
  inherited.splice(0, 2, inherited[1]!, inherited[0]!);
  scenario.read("deep");
  finds(scenario, "readers disagree");
});

Deno.test("forks: an append behind a record that was cut off is lost", () => {
  const { scenario } = forked();
  scenario.settle("fork");
  findsNothing(scenario);
  records(scenario, "fork").splice(3, 1);
  scenario.settle("fork");
  finds(scenario, "lost append");
});

Deno.test("forks: a part of a record that is not the source's", () => {
  const { scenario } = forked();
  const { record } = scenario.append("fork");
  scenario.streams.get("fork")!.cutOff.set(record!, 10);
  scenario.read("fork");
  finds(scenario, "torn record");
});
