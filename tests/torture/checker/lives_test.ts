/** The checker, on streams that come and go, producers, followers, and answers as such. */
import assert from "node:assert/strict";
import type { Fault } from "../history.ts";
import { refused, Story, UNKNOWN } from "./story.ts";
import { begun, finds, findsNothing, records, UNAVAILABLE } from "./support.ts";

Deno.test("404 for a stream that exists", () => {
  const story = begun();
  story.head("s", refused(404, "Not Found"));
  finds(story, "false 404");
});

Deno.test("404 while a delete is under way is right, before it is not", () => {
  const story = begun();
  const early = story.head("s", refused(404, "Not Found"));
  const gone = story.delete("s");
  story.history.operations[early.id] = { ...early, invoked: gone.invoked, completed: story.clock };
  findsNothing(story);
});

Deno.test("a fork is refused for want of a source that exists", () => {
  const story = begun();
  story.create("fork", { fork: { source: "s", position: 0 } }, refused(404, "STREAM_NOT_FOUND"));
  finds(story, "false 404");
});

Deno.test("deleted, and yet it answers", () => {
  const story = begun();
  story.delete("s");
  story.read("s");
  finds(story, "undead stream");
});

Deno.test("deleted by a request without an answer may be there or not", () => {
  const story = begun();
  story.delete("s", UNKNOWN);
  story.read("s");
  story.head("s", refused(404, "Not Found"));
  findsNothing(story);
});

Deno.test("created again, and a record of the one before shows", () => {
  const story = begun();
  story.read("s");
  const [old] = records(story);
  story.delete("s");
  story.create("s");
  records(story).push(old!);
  story.settle("s");
  finds(story, "resurrected record");
});

Deno.test("TTL: expired though it was used", () => {
  const story = new Story();
  story.create("s", { ttlMs: 1000 });
  story.clock += 900;
  story.read("s");
  story.clock += 900;
  story.head("s", refused(404, "Not Found"));
  finds(story, "false 404");
});

Deno.test("TTL: there although nobody has used it for long", () => {
  const story = new Story();
  story.create("s", { ttlMs: 1000 });
  story.clock += 4000;
  story.read("s");
  finds(story, "outlived its TTL");
});

Deno.test("TTL: nothing is said of one that ran by a clock that was set back", () => {
  const story = new Story();
  story.create("s", { ttlMs: 1000 });
  const { clock } = story;
  const fault = { kind: "set back", target: "", from: clock + 10, to: clock + 10 };
  story.history.faults.push({ ...fault, part: "database clock" });
  story.clock += 4000;
  story.read("s");
  findsNothing(story);
  story.clock += 4000;
  story.read("s");
  finds(story, "outlived its TTL");
});

Deno.test("409: a gap where there is none", () => {
  const story = begun();
  story.append("s", { producer: { id: "p", epoch: 0, seq: 0 } });
  story.append("s", { producer: { id: "p", epoch: 0, seq: 1 } }, refused(409, "SEQUENCE_GAP"));
  finds(story, "false 409");
});

Deno.test("409: a PUT of a path where nothing is", () => {
  const story = new Story();
  story.create("s", {}, refused(409, "CONFLICT"));
  finds(story, "false 409");
});

Deno.test("409: for a reason that these clients cannot have given", () => {
  const story = begun();
  story.append("s", {}, refused(409, "CONTENT_TYPE_MISMATCH"));
  finds(story, "unexpected answer");
});

Deno.test("403: fenced, and there is no newer epoch", () => {
  const story = begun();
  story.append("s", { producer: { id: "p", epoch: 0, seq: 0 } }, refused(403, "STALE_EPOCH"));
  finds(story, "false 403");
});

Deno.test("producers: an older epoch writes", () => {
  const story = begun();
  story.append("s", { producer: { id: "p", epoch: 1, seq: 0 } });
  story.append("s", { producer: { id: "p", epoch: 0, seq: 0 } });
  finds(story, "fenced producer wrote");
});

Deno.test("producers: a retry is taken as new", () => {
  const story = begun();
  const producer = { id: "p", epoch: 0, seq: 0 };
  const { record } = story.append("s", { producer });
  story.append("s", { producer, record }, { duplicate: false });
  finds(story, "duplicate taken twice");
});

Deno.test("producers: records in another order than their sequence", () => {
  const story = begun();
  const one = story.append("s", { producer: { id: "p", epoch: 0, seq: 0 } }, UNKNOWN);
  story.append("s", { producer: { id: "p", epoch: 0, seq: 1 } }, UNKNOWN);
  assert.equal(records(story).at(-2), one.record);
  records(story).splice(-2, 2, ...records(story).slice(-2).reverse());
  story.read("s");
  finds(story, "producer out of order");
});

Deno.test("followers: a gap, a duplicate, and one that is left behind", () => {
  const told = (start: number) => {
    const story = begun();
    story.read("s", { mode: "sse", follower: "f" });
    const tail = story.tailOf("s");
    story.append("s");
    story.append("s");
    story.read("s", { mode: "sse", follower: "f", start: tail + start });
    return story;
  };
  const length = begun().lengthOf(1);
  findsNothing(told(0));
  finds(told(length), "follower's gap");
  finds(told(-length), "follower's duplicate");
  const behind = begun();
  behind.read("s", { mode: "sse", follower: "f" });
  behind.history.followerEnds.push({ follower: "f", path: "s", position: 5, tail: 10 });
  finds(behind, "follower left behind");
});

Deno.test("followers: an event without its record", () => {
  const story = begun();
  const { end } = story.read("s", { mode: "sse", follower: "f" });
  story.append("s");
  story.read("s", { mode: "sse", follower: "f", start: end! }, { records: [] });
  finds(story, "wrong range");
});

Deno.test("answers: 500, 503 without Retry-After, and what nobody asked for", () => {
  for (const status of [500, 502, 400, 413]) {
    const story = begun();
    story.head("s", { outcome: "unknown", status, tail: null });
    finds(story, "unexpected answer");
  }
  const story = begun();
  story.append("s", {}, { ...UNAVAILABLE, retryAfter: false });
  finds(story, "unexpected answer");
});

Deno.test("in peace everything is answered", () => {
  const story = begun();
  const { invoked, completed } = story.append("s", {}, UNAVAILABLE);
  findsNothing(story);
  story.history.peace.push({ from: invoked - 10, to: completed });
  finds(story, "no service in peace");
});

Deno.test("silence is excused by what happens to nodes and clients, not by the database", () => {
  const told = (part: Fault["part"]) => {
    const story = begun();
    const { invoked, completed } = story.append("s", {}, {
      ...UNKNOWN,
      reason: "no answer in 8 s",
    });
    story.history.faults.push({ kind: "", part, target: "", from: invoked, to: completed });
    return story;
  };
  findsNothing(told("node"));
  findsNothing(told("clients"));
  finds(told("database"), "no answer in time");
  finds(told("connections"), "no answer in time");
});
