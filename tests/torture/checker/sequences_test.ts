/** The checker, on what is appended with `Stream-Seq`. */
import assert from "node:assert/strict";
import { refused, Story, UNKNOWN } from "./story.ts";
import { begun, finds, findsNothing, records, rulesFound, UNAVAILABLE } from "./support.ts";

const REGRESSION = refused(409, "SEQUENCE_REGRESSION");

/** Three records in a sequence. */
function sequenced(values: readonly string[] = ["b", "d", "f"]): Story {
  const story = new Story();
  story.create("s");
  for (const streamSeq of values) story.append("s", { streamSeq });
  return story;
}

Deno.test("sequences: what is greater byte by byte is taken, and all else refused", () => {
  const story = sequenced(["10", "9", "A", "Z", "a", "aa", "b"]);
  story.append("s");
  for (const streamSeq of ["b", "aaa", "Z", "100"]) story.append("s", { streamSeq }, REGRESSION);
  story.append("s", { streamSeq: "c" }, UNAVAILABLE);
  records(story).pop(); // not answered, and not there
  const open = story.append("s", { streamSeq: "d" }, UNKNOWN);
  story.append("s", { streamSeq: "d", record: open.record }, REGRESSION); // it was there
  story.settle("s");
  findsNothing(story);
});

Deno.test("sequences: forks, and streams created again, begin anew", () => {
  const story = sequenced();
  story.create("fork", { fork: { source: "s", position: story.tailOf("s") } });
  story.append("fork", { streamSeq: "a" });
  story.settle("fork");
  story.delete("s");
  story.create("s");
  story.append("s", { streamSeq: "a" });
  story.settle("s");
  findsNothing(story);
});

Deno.test("sequences: of two under way at once either may come first, and then the other not", () => {
  const told = (stored: readonly ["x", "y"] | readonly ["y", "x"]) => {
    const story = sequenced(["b"]);
    const [first, second] = stored.map((streamSeq) => story.append("s", { streamSeq }));
    story.history.operations[second!.id] = { ...second!, invoked: first!.invoked };
    story.settle("s");
    return story;
  };
  findsNothing(told(["x", "y"]));
  const wrong = told(["y", "x"]);
  assert.deepEqual(rulesFound(wrong), ["stored out of Stream-Seq"]);
});

Deno.test("sequences: one without an answer is found behind one that is greater", () => {
  const story = sequenced();
  story.append("s", { streamSeq: "e" }, UNKNOWN);
  story.settle("s");
  finds(story, "stored out of Stream-Seq");
});

Deno.test("sequences: the same twice, less, less as bytes but not as a number or by a locale", () => {
  for (const [first, second] of [["b", "b"], ["b", "a"], ["bb", "b"], ["9", "10"], ["a", "Z"]]) {
    const story = sequenced([first!, second!]);
    finds(story, "took a regression");
  }
});

Deno.test("sequences: a regression that closes, and adds nothing", () => {
  const story = sequenced();
  story.append("s", { streamSeq: "c", closes: true, record: null });
  finds(story, "took a regression");
});

Deno.test("sequences: a producer's duplicate is no regression", () => {
  const story = sequenced();
  const producer = { id: "p", epoch: 0, seq: 0 };
  const { record } = story.append("s", { streamSeq: "g", producer });
  story.append("s", { streamSeq: "h" });
  story.append("s", { streamSeq: "g", producer, record });
  story.settle("s");
  findsNothing(story);
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
  const story = sequenced();
  story.append("s", {}, REGRESSION);
  finds(story, "false 409");
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
  const story = begun();
  story.append("s", { streamSeq: "k" }, UNKNOWN);
  records(story).pop();
  story.append("s", { streamSeq: "g" }, REGRESSION);
  findsNothing(story);
});
