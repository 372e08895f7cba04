/** The checker, on what is appended with `Stream-Seq`. */
import assert from "node:assert/strict";
import { refused, Scenario, UNKNOWN } from "./scenario.ts";
import { begun, finds, findsNothing, records, rulesFound, UNAVAILABLE } from "./support.ts";

const REGRESSION = refused(409, "SEQUENCE_REGRESSION");

/** Three records in a sequence. */
function sequenced(values: readonly string[] = ["b", "d", "f"]): Scenario {
  const scenario = new Scenario();
  scenario.create("s");
  for (const streamSeq of values) scenario.append("s", { streamSeq });
  return scenario;
}

Deno.test("sequences: what is greater byte by byte is taken, and all else refused", () => {
  const scenario = sequenced(["10", "9", "A", "Z", "a", "aa", "b"]);
  scenario.append("s");
  for (const streamSeq of ["b", "aaa", "Z", "100"]) scenario.append("s", { streamSeq }, REGRESSION);
  scenario.append("s", { streamSeq: "c" }, UNAVAILABLE);
  records(scenario).pop(); // not answered, and not there
  const open = scenario.append("s", { streamSeq: "d" }, UNKNOWN);
  scenario.append("s", { streamSeq: "d", record: open.record }, REGRESSION); // it was there
  scenario.settle("s");
  findsNothing(scenario);
});

Deno.test("sequences: forks, and streams created again, begin anew", () => {
  const scenario = sequenced();
  scenario.create("fork", { fork: { source: "s", position: scenario.tailOf("s") } });
  scenario.append("fork", { streamSeq: "a" });
  scenario.settle("fork");
  scenario.delete("s");
  scenario.create("s");
  scenario.append("s", { streamSeq: "a" });
  scenario.settle("s");
  findsNothing(scenario);
});

Deno.test("sequences: of two under way at once either may come first, and then the other not", () => {
  const scenarioOf = (stored: readonly ["x", "y"] | readonly ["y", "x"]) => {
    const scenario = sequenced(["b"]);
    const [first, second] = stored.map((streamSeq) => scenario.append("s", { streamSeq }));
    scenario.history.operations[second!.id] = { ...second!, invoked: first!.invoked };
    scenario.settle("s");
    return scenario;
  };
  findsNothing(scenarioOf(["x", "y"]));
  const wrong = scenarioOf(["y", "x"]);
  assert.deepEqual(rulesFound(wrong), ["stored out of Stream-Seq"]);
});

Deno.test("sequences: one without an answer is found behind one that is greater", () => {
  const scenario = sequenced();
  scenario.append("s", { streamSeq: "e" }, UNKNOWN);
  scenario.settle("s");
  finds(scenario, "stored out of Stream-Seq");
});

Deno.test("sequences: the same twice, less, less as bytes but not as a number or by a locale", () => {
  for (const [first, second] of [["b", "b"], ["b", "a"], ["bb", "b"], ["9", "10"], ["a", "Z"]]) {
    const scenario = sequenced([first!, second!]);
    finds(scenario, "took a regression");
  }
});

Deno.test("sequences: a regression that closes, and adds nothing", () => {
  const scenario = sequenced();
  scenario.append("s", { streamSeq: "c", closes: true, record: null });
  finds(scenario, "took a regression");
});

Deno.test("sequences: a producer's duplicate is no regression", () => {
  const scenario = sequenced();
  const producer = { id: "p", epoch: 0, seq: 0 };
  const { record } = scenario.append("s", { streamSeq: "g", producer });
  scenario.append("s", { streamSeq: "h" });
  scenario.append("s", { streamSeq: "g", producer, record });
  scenario.settle("s");
  findsNothing(scenario);
});

Deno.test("409: a regression where nothing as great was taken", () => {
  const alone = sequenced();
  alone.append("s", { streamSeq: "g" }, REGRESSION);
  finds(alone, "false 409");
  const refusedBoth = sequenced();
  refusedBoth.append("s", { streamSeq: "a" }, REGRESSION);
  refusedBoth.append("s", { streamSeq: "h" }, refused(409, "STREAM_CLOSED"));
  findsNothing(refusedBoth);
  refusedBoth.append("s", { streamSeq: "g" }, REGRESSION);
  finds(refusedBoth, "false 409");
  const later = sequenced();
  later.append("s", { streamSeq: "g" }, REGRESSION);
  later.append("s", { streamSeq: "g" });
  finds(later, "false 409");
});

Deno.test("409: a regression, and no Stream-Seq was sent", () => {
  const scenario = sequenced();
  scenario.append("s", {}, REGRESSION);
  finds(scenario, "false 409");
});

Deno.test("409: a regression by what the source, or the stream before, had taken", () => {
  const fork = sequenced();
  fork.create("fork", { fork: { source: "s", position: fork.tailOf("s") } });
  fork.append("fork", { streamSeq: "a" }, REGRESSION);
  finds(fork, "false 409");
  const again = sequenced();
  again.delete("s");
  again.create("s");
  again.append("s", { streamSeq: "a" }, REGRESSION);
  finds(again, "false 409");
});

Deno.test("409: a regression is right when one without an answer may have been taken", () => {
  const scenario = begun();
  scenario.append("s", { streamSeq: "k" }, UNKNOWN);
  records(scenario).pop();
  scenario.append("s", { streamSeq: "g" }, REGRESSION);
  findsNothing(scenario);
});
