/** The checker, on lifetimes of streams, producers, followers, and single answers. */
import assert from "node:assert/strict";
import type { Fault } from "../history.ts";
import { refused, Scenario, UNKNOWN } from "./scenario.ts";
import { begun, finds, findsNothing, records, UNAVAILABLE } from "./support.ts";

Deno.test("404 for a stream that exists", () => {
  const scenario = begun();
  scenario.head("s", refused(404, "Not Found"));
  finds(scenario, "false 404");
});

Deno.test("404 while a delete is under way is right, before it is not", () => {
  const scenario = begun();
  const early = scenario.head("s", refused(404, "Not Found"));
  const gone = scenario.delete("s");
  scenario.history.operations[early.id] = {
    ...early,
    invoked: gone.invoked,
    completed: scenario.clock,
  };
  findsNothing(scenario);
});

Deno.test("a fork is refused for want of a source that exists", () => {
  const scenario = begun();
  scenario.create("fork", { fork: { source: "s", position: 0 } }, refused(404, "STREAM_NOT_FOUND"));
  finds(scenario, "false 404");
});

Deno.test("deleted, and yet it answers", () => {
  const scenario = begun();
  scenario.delete("s");
  scenario.read("s");
  finds(scenario, "undead stream");
});

Deno.test("deleted by a request without an answer may be there or not", () => {
  const scenario = begun();
  scenario.delete("s", UNKNOWN);
  scenario.read("s");
  scenario.head("s", refused(404, "Not Found"));
  findsNothing(scenario);
});

Deno.test("created again, and a record of the one before shows", () => {
  const scenario = begun();
  scenario.read("s");
  const [old] = records(scenario);
  scenario.delete("s");
  scenario.create("s");
  records(scenario).push(old!);
  scenario.settle("s");
  finds(scenario, "resurrected record");
});

Deno.test("TTL: expired though it was used", () => {
  const scenario = new Scenario();
  scenario.create("s", { ttlMs: 1000 });
  scenario.clock += 900;
  scenario.read("s");
  scenario.clock += 900;
  scenario.head("s", refused(404, "Not Found"));
  finds(scenario, "false 404");
});

Deno.test("TTL: there although nobody has used it for long", () => {
  const scenario = new Scenario();
  scenario.create("s", { ttlMs: 1000 });
  scenario.clock += 4000;
  scenario.read("s");
  finds(scenario, "outlived its TTL");
});

Deno.test("TTL: nothing is said of one that ran by a clock that was set back", () => {
  const scenario = new Scenario();
  scenario.create("s", { ttlMs: 1000 });
  const { clock } = scenario;
  const fault = { kind: "set back", target: "", from: clock + 10, to: clock + 10 };
  scenario.history.faults.push({ ...fault, part: "database clock" });
  scenario.clock += 4000;
  scenario.read("s");
  findsNothing(scenario);
  scenario.clock += 4000;
  scenario.read("s");
  finds(scenario, "outlived its TTL");
});

Deno.test("409: a gap where there is none", () => {
  const scenario = begun();
  scenario.append("s", { producer: { id: "p", epoch: 0, seq: 0 } });
  scenario.append("s", { producer: { id: "p", epoch: 0, seq: 1 } }, refused(409, "SEQUENCE_GAP"));
  finds(scenario, "false 409");
});

Deno.test("409: a PUT of a path where nothing is", () => {
  const scenario = new Scenario();
  scenario.create("s", {}, refused(409, "CONFLICT"));
  finds(scenario, "false 409");
});

Deno.test("409: for a reason that these clients cannot have given", () => {
  const scenario = begun();
  scenario.append("s", {}, refused(409, "CONTENT_TYPE_MISMATCH"));
  finds(scenario, "unexpected answer");
});

Deno.test("403: fenced, and there is no newer epoch", () => {
  const scenario = begun();
  scenario.append("s", { producer: { id: "p", epoch: 0, seq: 0 } }, refused(403, "STALE_EPOCH"));
  finds(scenario, "false 403");
});

Deno.test("producers: an older epoch writes", () => {
  const scenario = begun();
  scenario.append("s", { producer: { id: "p", epoch: 1, seq: 0 } });
  scenario.append("s", { producer: { id: "p", epoch: 0, seq: 0 } });
  finds(scenario, "fenced producer wrote");
});

Deno.test("producers: a retry is taken as new", () => {
  const scenario = begun();
  const producer = { id: "p", epoch: 0, seq: 0 };
  const { record } = scenario.append("s", { producer });
  scenario.append("s", { producer, record }, { duplicate: false });
  finds(scenario, "duplicate taken twice");
});

Deno.test("producers: records in another order than their sequence", () => {
  const scenario = begun();
  const one = scenario.append("s", { producer: { id: "p", epoch: 0, seq: 0 } }, UNKNOWN);
  scenario.append("s", { producer: { id: "p", epoch: 0, seq: 1 } }, UNKNOWN);
  assert.equal(records(scenario).at(-2), one.record);
  records(scenario).splice(-2, 2, ...records(scenario).slice(-2).reverse());
  scenario.read("s");
  finds(scenario, "producer out of order");
});

Deno.test("followers: a gap, a duplicate, and one that is left behind", () => {
  const scenarioOf = (start: number) => {
    const scenario = begun();
    scenario.read("s", { mode: "sse", follower: "f" });
    const tail = scenario.tailOf("s");
    scenario.append("s");
    scenario.append("s");
    scenario.read("s", { mode: "sse", follower: "f", start: tail + start });
    return scenario;
  };
  const length = begun().lengthOf(1);
  findsNothing(scenarioOf(0));
  finds(scenarioOf(length), "follower's gap");
  finds(scenarioOf(-length), "follower's duplicate");
  const behind = begun();
  behind.read("s", { mode: "sse", follower: "f" });
  behind.history.followerEnds.push({ follower: "f", path: "s", position: 5, tail: 10 });
  finds(behind, "follower left behind");
});

Deno.test("followers: an event without its record", () => {
  const scenario = begun();
  const { end } = scenario.read("s", { mode: "sse", follower: "f" });
  scenario.append("s");
  scenario.read("s", { mode: "sse", follower: "f", start: end! }, { records: [] });
  finds(scenario, "wrong range");
});

Deno.test("answers: 500, 503 without Retry-After, and what nobody asked for", () => {
  for (const status of [500, 502, 400, 413]) {
    const scenario = begun();
    scenario.head("s", { outcome: "unknown", status, tail: null });
    finds(scenario, "unexpected answer");
  }
  const scenario = begun();
  scenario.append("s", {}, { ...UNAVAILABLE, retryAfter: false });
  finds(scenario, "unexpected answer");
});

Deno.test("in a recovery window everything is answered", () => {
  const scenario = begun();
  const { invoked, completed } = scenario.append("s", {}, UNAVAILABLE);
  findsNothing(scenario);
  scenario.history.recoveryWindows.push({ from: invoked - 10, to: completed });
  finds(scenario, "no service in the recovery window");
});

Deno.test("silence is excused by what happens to nodes and clients, not by the database", () => {
  const scenarioOf = (part: Fault["part"]) => {
    const scenario = begun();
    const { invoked, completed } = scenario.append("s", {}, {
      ...UNKNOWN,
      reason: "no answer in 8 s",
    });
    scenario.history.faults.push({ kind: "", part, target: "", from: invoked, to: completed });
    return scenario;
  };
  findsNothing(scenarioOf("node"));
  findsNothing(scenarioOf("clients"));
  finds(scenarioOf("database"), "no answer in time");
  finds(scenarioOf("connections"), "no answer in time");
});
