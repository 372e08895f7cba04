/** The checker, on forks that leave inside a record, and on forks of forks. */
import assert from "node:assert/strict";
import type { Create, Read } from "../history.ts";
import { messagesOf } from "../records.ts";
import type { Story } from "./story.ts";
import { begun, finds, findsNothing, records, rulesFound } from "./support.ts";

/** Where the records of "s" end. */
function ends(story: Story, path = "s"): number[] {
  let at = 0;
  return records(story, path).map((record) => at += story.lengthOf(record));
}

/** A fork of "s" that leaves 20 bytes into its third record, and goes on with two of its own. */
function forked(): { story: Story; cut: number; fork: Create } {
  const story = begun();
  const anchor = ends(story)[1]!;
  const by = { anchor, subOffset: 20 };
  const cut = anchor + 20;
  const fork = story.create("fork", { fork: { source: "s", position: cut, by } });
  story.append("fork");
  story.append("fork");
  return { story, cut, fork };
}

/** A fork of that one, and of what it inherited. */
function deep(): { story: Story; cut: number } {
  const { story, cut } = forked();
  story.create("deep", { fork: { source: "fork", position: story.tailOf("fork") - 30 } });
  story.create("shallow", { fork: { source: "fork", position: cut - 5 } });
  for (const path of ["deep", "shallow"]) story.append(path);
  return { story, cut };
}

/** Changes what the pieces of the last answer that begin or end there showed. */
function change(story: Story, path: string, twist: (piece: Read) => Partial<Read>): void {
  const { operations } = story.history;
  for (const one of operations) {
    if (one.kind === "read" && one.path === path) operations[one.id] = { ...one, ...twist(one) };
  }
}

Deno.test("forks of forks, inside records, are found right from any place", () => {
  const { story, cut } = deep();
  story.append("s");
  story.append("fork");
  for (const path of ["s", "fork", "deep", "shallow"]) {
    for (const start of [0, 5, cut - 20, cut - 7, cut - 5, cut - 1, cut, cut + 3]) {
      if (start <= story.tailOf(path)) story.read(path, { start });
    }
    story.settle(path);
  }
  story.create("bare", { fork: { source: "fork", position: cut } });
  story.settle("bare");
  story.delete("fork");
  story.settle("deep");
  findsNothing(story);
});

Deno.test("forks: a byte more or less than asked for, by the answer that made them", () => {
  for (const off of [-1, 1]) {
    const { story, fork, cut } = forked();
    story.history.operations[fork.id] = { ...fork, tail: cut + off };
    finds(story, "wrong fork point");
  }
});

Deno.test("forks: a byte more than asked for, by what is read", () => {
  const { story } = forked();
  const cutOff = records(story, "fork")[2]!;
  story.streams.get("fork")!.cutOff.set(cutOff, 21);
  story.read("fork");
  finds(story, "wrong fork point");
});

Deno.test("forks: a byte less than asked for, by what is read", () => {
  const { story } = forked();
  story.read("s");
  const cutOff = records(story, "fork")[2]!;
  story.streams.get("fork")!.cutOff.set(cutOff, 19);
  story.read("fork");
  finds(story, "changed bytes");
});

Deno.test("forks: a byte more, between records", () => {
  const story = begun();
  const [, second] = ends(story);
  story.create("fork", { fork: { source: "s", position: second! } });
  const third = records(story)[2]!;
  records(story, "fork").push(third);
  story.streams.get("fork")!.cutOff.set(third, 1);
  story.append("fork", {}, { tail: null });
  story.read("fork");
  finds(story, "wrong fork point");
});

Deno.test("forks: one byte of the record that was cut off", () => {
  const { story, cut } = forked();
  story.read("s");
  story.read("fork");
  findsNothing(story);
  change(
    story,
    "fork",
    ({ end, rest }) => end === cut ? { rest: rest.replace("path", "pith") } : {},
  );
  finds(story, "changed bytes");
});

Deno.test("forks: messages are counted, those of one append too", () => {
  const told = (messages: number) => {
    const story = begun();
    const anchor = story.tailOf("s");
    const shape = story.history.newRecord("s", 3, 20);
    story.append("s", { record: shape.id });
    const text = messagesOf(shape).slice(0, messages).map((message) => message + "\n").join("");
    const fork = {
      source: "s",
      position: anchor + new TextEncoder().encode(text).length,
      by: { anchor, subOffset: 2 },
    };
    story.create("fork", { fork }, { json: true });
    story.append("fork");
    for (const path of ["s", "fork"]) story.settle(path);
    return story;
  };
  findsNothing(told(2));
  assert.deepEqual(rulesFound(told(1)), ["wrong fork point"]);
  assert.deepEqual(rulesFound(told(3)), ["wrong fork point"]);
});

Deno.test("forks of forks: the source's bytes where the fork between has its own", () => {
  const { story } = deep();
  const { record } = story.append("s");
  // The one that "fork" wrote first, as if the source had never been left.
  records(story, "deep")[3] = record!;
  story.read("deep");
  finds(story, "misplaced record");
});

Deno.test("forks of forks: an append to the fork between shows in the other", () => {
  const { story } = deep();
  const { record } = story.append("fork");
  records(story, "deep").push(record!);
  story.read("deep");
  finds(story, "misplaced record");
});

Deno.test("forks of forks: another order than in a stream they both come from", () => {
  const { story } = deep();
  const inherited = records(story, "deep");
  inherited.splice(0, 2, inherited[1]!, inherited[0]!);
  story.read("deep");
  finds(story, "readers disagree");
});

Deno.test("forks: an append behind a record that was cut off is lost", () => {
  const { story } = forked();
  story.settle("fork");
  findsNothing(story);
  records(story, "fork").splice(3, 1);
  story.settle("fork");
  finds(story, "lost append");
});

Deno.test("forks: a part of a record that is not the source's", () => {
  const { story } = forked();
  const { record } = story.append("fork");
  story.streams.get("fork")!.cutOff.set(record!, 10);
  story.read("fork");
  finds(story, "torn record");
});
