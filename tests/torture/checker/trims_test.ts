/** The checker, on trims and retention. */
import { refused, Scenario, UNKNOWN } from "./scenario.ts";
import { begun, finds, findsNothing } from "./support.ts";

const trimmed = (earliest: number) => ({
  ...refused(410, "OFFSET_TRIMMED"),
  ...{ end: null, records: [], head: "", rest: "", earliest },
});

/** Where the nth record of "s" begins. */
function place(scenario: Scenario, nth: number): number {
  return scenario.streams.get("s")!.records.slice(0, nth)
    .reduce((sum, record) => sum + scenario.lengthOf(record), 0);
}

Deno.test("trimmed, refused with where it begins, and read from there", () => {
  const scenario = begun();
  const one = place(scenario, 1);
  scenario.trim("s", one);
  scenario.read("s", { follower: "f" }, trimmed(one));
  scenario.read("s", { start: one, follower: "f" });
  scenario.head("s", { earliest: one });
  findsNothing(scenario);
});

Deno.test("a read that begins before what was dropped is served", () => {
  const scenario = begun();
  scenario.trim("s", place(scenario, 2));
  scenario.read("s", { start: place(scenario, 1) });
  finds(scenario, "dropped, and yet served");
});

Deno.test("a read that was under way may be served", () => {
  const scenario = begun();
  const early = scenario.read("s");
  const trim = scenario.trim("s", place(scenario, 1));
  scenario.history.operations[early.id] = { ...early, completed: trim.completed + 1 };
  findsNothing(scenario);
});

Deno.test("one node forgets where the stream begins", () => {
  const scenario = begun();
  scenario.trim("s", place(scenario, 2));
  scenario.head("s", { earliest: place(scenario, 1) });
  finds(scenario, "beginning fell");
});

Deno.test("one node does not say where the stream begins", () => {
  const scenario = begun();
  scenario.trim("s", place(scenario, 2));
  scenario.head("s");
  finds(scenario, "beginning fell");
});

Deno.test("more is dropped than anybody asked for", () => {
  const scenario = begun();
  scenario.trim("s", place(scenario, 1));
  scenario.head("s", { earliest: place(scenario, 2) });
  finds(scenario, "dropped by nobody");
});

Deno.test("a trim without an answer may have taken place", () => {
  const scenario = begun();
  const { clock } = scenario;
  scenario.trim("s", place(scenario, 2), { ...UNKNOWN, earliest: null });
  scenario.head("s", { earliest: place(scenario, 2) });
  findsNothing(scenario);
  scenario.history.operations.forEach((operation, at) => {
    const late = operation.kind === "trim"
      ? { ...operation, invoked: clock + 100, completed: clock + 101 }
      : operation;
    scenario.history.operations[at] = late;
  });
  finds(scenario, "dropped by nobody");
});

Deno.test("an offset that is left is refused", () => {
  const scenario = begun();
  const one = place(scenario, 1);
  scenario.trim("s", one);
  scenario.read("s", { start: one }, trimmed(one));
  finds(scenario, "dropped by nobody");
});

Deno.test("a follower goes on behind a gap that nobody told it of", () => {
  const scenario = begun();
  scenario.read("s", { follower: "f" }, { end: place(scenario, 1), records: [] });
  scenario.trim("s", place(scenario, 2));
  scenario.read("s", { start: place(scenario, 2), follower: "f" });
  finds(scenario, "follower's gap");
});

Deno.test("what was dropped is not lost, and what was not is", () => {
  const scenario = begun();
  const one = place(scenario, 1);
  scenario.trim("s", one);
  const rest = scenario.read("s", { start: one });
  scenario.history.settled.push({ path: "s", reads: [rest.id] });
  findsNothing(scenario);
  const less = scenario.read("s", { start: place(scenario, 2) });
  scenario.history.settled.push({ path: "s", reads: [less.id] });
  finds(scenario, "readers disagree");
});

Deno.test("retention drops no more than it may", () => {
  const scenario = new Scenario();
  scenario.create("s", {}, { retentionBytes: 50 });
  for (let count = 0; count < 6; count++) scenario.append("s");
  const most = scenario.tailOf("s") - 50;
  scenario.head("s", { earliest: most });
  findsNothing(scenario);
  scenario.head("s", { earliest: most + 1 });
  finds(scenario, "dropped by nobody");
});
