/**
 * The checker finds nothing in a history that is right, and every kind of wrong in one that is not:
 * here in what a stream holds; lives_test.ts has what becomes of streams and requests.
 */
import assert from "node:assert/strict";
import type { Read } from "../history.ts";
import { messagesOf, storedBytes } from "../records.ts";
import { refused, Story, UNKNOWN } from "./story.ts";
import { begun, finds, findsNothing, records, UNAVAILABLE } from "./support.ts";

Deno.test("a history in which everything went well, and much was not answered, is found right", () => {
  const story = begun();
  const producer = { id: "p", epoch: 0, seq: 0 };
  const first = story.append("s", { producer }, UNKNOWN);
  story.append("s", { producer, record: first.record });
  story.append("s", { producer: { ...producer, seq: 1 } });
  story.append("s", { producer: { ...producer, epoch: 1 } });
  story.append("s", { producer: { ...producer, seq: 2 } }, refused(403, "STALE_EPOCH"));
  story.append("s", { producer: { ...producer, epoch: 1, seq: 5 } }, refused(409, "SEQUENCE_GAP"));
  story.append("s", {}, UNAVAILABLE);
  records(story).pop(); // not answered, and not there
  story.append("s", {}, UNAVAILABLE); // not answered, and there
  const middle = story.read("s", { mode: "sse", follower: "f" }).end!;
  story.create("fork", { fork: { source: "s", position: middle } });
  story.append("fork");
  story.append("s");
  story.read("s", { start: middle, mode: "long-poll", follower: "f" });
  story.head("s");
  const tail = story.append("s", { closes: true }).tail!;
  story.append("s", {}, { ...refused(409, "STREAM_CLOSED"), tail });
  story.read("s", { start: tail });
  story.history.followerEnds.push({ follower: "g", path: "s", position: tail, tail });
  story.create("mortal");
  story.append("mortal");
  story.delete("mortal");
  story.head("mortal", refused(404, "Not Found"));
  story.create("mortal");
  story.append("mortal");
  story.create("ttl", { ttlMs: 1000 });
  story.clock += 500;
  story.read("ttl");
  story.clock += 5000;
  story.head("ttl", refused(404, "Not Found"));
  for (const path of ["s", "fork", "mortal"]) story.settle(path);
  findsNothing(story);
});

Deno.test("lost: an acked append that no node has in the end", () => {
  const story = begun();
  records(story).pop();
  story.settle("s");
  finds(story, "lost append");
});

Deno.test("lost: an append acked as a duplicate that is not there", () => {
  const story = begun();
  const producer = { id: "p", epoch: 0, seq: 0 };
  const first = story.append("s", { producer }, UNKNOWN);
  records(story).pop();
  story.append("s", { producer, record: first.record });
  story.settle("s");
  finds(story, "lost append");
});

Deno.test("lost: one node does not have what the other has", () => {
  const story = begun();
  story.append("s", {}, UNKNOWN);
  const [whole] = [story.read("s"), records(story).pop()];
  const less = story.read("s", {}, { node: 1 });
  story.history.settled.push({ path: "s", reads: [whole.id] }, { path: "s", reads: [less.id] });
  finds(story, "readers disagree");
});

Deno.test("lost: a record across pages is there, and one whose middle is missing is not", () => {
  const told = (cuts: readonly number[]) => {
    const story = begun();
    const [first, second, third] = records(story);
    const start = story.lengthOf(first!);
    const bytes = storedBytes(story.history.records.get(second!)!);
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const page = (from: number, to: number, twist: Parameters<Story["read"]>[2]) =>
      story.read("s", {}, { start: start + from, end: start + to, upToDate: false, ...twist }).id;
    const [one, two] = cuts as [number, number];
    const reads = [
      page(-start, one, { records: [first!], rest: text.slice(0, one) }),
      page(one, two, { records: [], head: text.slice(one, two) }),
      page(two, bytes.length, { records: [third!], head: text.slice(two), upToDate: true }),
    ];
    story.history.operations[reads[2]!] = {
      ...story.history.operations[reads[2]!]!,
      end: story.tailOf("s"),
    } as Read;
    return { story, reads };
  };
  const { story, reads } = told([10, 30]);
  story.history.settled.push({ path: "s", reads });
  findsNothing(story);
  story.history.settled[0] = { path: "s", reads: [reads[0]!, reads[2]!] };
  finds(story, "lost append");
});

Deno.test("doubled: an append that is there twice", () => {
  const story = begun();
  records(story).push(records(story)[0]!);
  story.settle("s");
  finds(story, "doubled append");
});

Deno.test("doubled: an append without an answer is there twice, in different pages", () => {
  const story = begun();
  const { record } = story.append("s", {}, UNKNOWN);
  const end = story.read("s").end!;
  records(story).push(record!);
  story.read("s", { start: end });
  finds(story, "doubled append");
});

Deno.test("reordered: two readers have two orders", () => {
  const story = begun();
  story.read("s");
  records(story).reverse();
  story.read("s");
  finds(story, "readers disagree");
});

Deno.test("reordered: an order all readers agree on, but not what time says", () => {
  const story = new Story();
  story.create("s");
  const one = story.append("s", { producer: { id: "p", epoch: 0, seq: 0 } }, UNKNOWN);
  story.append("s", { producer: { id: "p", epoch: 0, seq: 0 }, record: one.record }, {
    duplicate: true,
  });
  const two = story.append("s", {}, UNKNOWN);
  records(story).reverse();
  assert.deepEqual(records(story), [two.record, one.record]);
  story.settle("s");
  finds(story, "out of order");
});

Deno.test("offsets: an answer places a record where readers do not find it", () => {
  const story = begun();
  story.append("s", {}, { tail: story.tailOf("s") + 500 });
  story.settle("s");
  finds(story, "doubled append");
});

Deno.test("offsets: the tail goes back", () => {
  const story = begun();
  story.head("s");
  story.head("s", { tail: story.tailOf("s") - 10 });
  finds(story, "stale");
});

Deno.test("stale: a read after an ack does not have it", () => {
  const story = begun();
  const [last] = records(story).splice(2);
  story.read("s");
  records(story).push(last!);
  story.settle("s");
  finds(story, "stale");
});

Deno.test("stale: an answer less than another answer, and both under way at once, are right", () => {
  const story = begun();
  const before = story.tailOf("s");
  const slow = story.append("s", {});
  story.head("s", { tail: before, invoked: slow.invoked - 0.5, completed: story.clock + 1 });
  story.clock += 10;
  story.settle("s");
  findsNothing(story);
});

Deno.test("changed: what the decoder cannot read as ours is reported", () => {
  const story = begun();
  story.read("s", {}, { flaws: ["not a record of ours"] });
  finds(story, "changed bytes");
});

Deno.test("changed: one byte in a record that was read in part", () => {
  const story = begun();
  const [, second] = records(story);
  const shape = story.history.records.get(second!)!;
  const start = story.lengthOf(records(story)[0]!);
  const bytes = storedBytes(shape);
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const third = records(story)[2]!;
  const read = (head: string) =>
    story.read("s", { start: start + 5 }, { head, records: [third], end: story.tailOf("s") });
  read(text.slice(5));
  findsNothing(story);
  read(text.slice(5).replace("record", "rEcord"));
  finds(story, "changed bytes");
});

Deno.test("changed: one byte where a piece goes from one record to the next", () => {
  const story = begun();
  const text = records(story).map((record) =>
    Array.from(
      storedBytes(story.history.records.get(record)!),
      (byte) => String.fromCharCode(byte),
    ).join("")
  ).join("");
  const start = story.lengthOf(1) - 4;
  const read = (head: string) =>
    story.read("s", {}, { start, head, records: [], end: start + head.length, upToDate: false });
  read(text.slice(start, start + 20));
  findsNothing(story);
  read(text.slice(start, start + 20).replace("path", "pith"));
  finds(story, "changed bytes");
});

Deno.test("torn: up to date in the middle of a record", () => {
  const story = begun();
  const [message] = messagesOf(story.history.records.get(3)!);
  const records_ = records(story).slice(0, 2);
  const rest = message!.slice(0, 10);
  const end = story.tailOf("s") - story.lengthOf(3) + 10;
  story.read("s", {}, { records: records_, rest, end, upToDate: false });
  findsNothing(story);
  story.read("s", {}, { records: records_, rest, end });
  finds(story, "torn record");
});

Deno.test("torn: the last record ever read, by one reader only", () => {
  const story = begun();
  story.append("s", {}, UNKNOWN);
  records(story).pop();
  story.read("s", {}, { rest: "{", end: story.tailOf("s") + 1 });
  finds(story, "torn record");
});

Deno.test("misplaced: a record of another stream", () => {
  const story = begun();
  story.create("other");
  const { record } = story.append("other");
  records(story).push(record!);
  story.read("s");
  finds(story, "misplaced record");
});

Deno.test("range: an answer that says it goes further than it does", () => {
  const story = begun();
  story.read("s", {}, { end: story.tailOf("s") + 7 });
  finds(story, "wrong range");
});

Deno.test("range: a page without a record in its middle", () => {
  const story = begun();
  const [first, , last] = records(story);
  story.read("s", {}, { records: [first!, last!] });
  finds(story, "doubled append"); // the last one lies elsewhere
});

Deno.test("refused, and yet it is there", () => {
  const story = begun();
  const { record } = story.append("s", {}, refused(403, "STALE_EPOCH"));
  records(story).push(record!);
  story.read("s");
  finds(story, "refused yet stored");
});

Deno.test("read before anybody had sent it", () => {
  const story = begun();
  const read = story.read("s");
  const { record } = story.append("s");
  story.history.operations[read.id] = { ...read, records: [...read.records, record!] };
  finds(story, "read before it was written");
});

Deno.test("forks: other bytes than the source's", () => {
  const story = begun();
  story.create("fork", { fork: { source: "s", position: story.tailOf("s") } });
  records(story, "fork").reverse();
  story.read("fork");
  story.read("s");
  finds(story, "readers disagree");
});

Deno.test("forks: an append to the source shows in the fork", () => {
  const story = begun();
  story.create("fork", { fork: { source: "s", position: story.tailOf("s") } });
  const { record } = story.append("s");
  records(story, "fork").push(record!);
  story.read("fork");
  finds(story, "misplaced record");
});

Deno.test("closed: an append is taken after it", () => {
  const story = begun();
  story.append("s", { closes: true });
  story.append("s", {}, { closed: false });
  finds(story, "closed, then open");
});

Deno.test("closed: a record without an answer appears after it", () => {
  const story = begun();
  story.append("s", { closes: true });
  story.append("s", {}, UNKNOWN);
  story.read("s");
  finds(story, "closed, then open");
});

Deno.test("closed: another node says it is open", () => {
  const story = begun();
  story.append("s", { closes: true });
  story.head("s", { closed: false });
  finds(story, "closed, then open");
});

Deno.test("closed: a follower is told the end before the end", () => {
  const story = begun();
  story.append("s", { closes: true, record: null }, UNKNOWN);
  const [first] = records(story);
  story.read("s", { mode: "sse", follower: "f" }, {
    records: [first!],
    end: story.lengthOf(first!),
    upToDate: false,
  });
  story.read("s");
  finds(story, "two ends");
});

Deno.test("closed: nobody had asked for it", () => {
  const story = begun();
  story.append("s", {}, refused(409, "STREAM_CLOSED"));
  story.read("s", {}, { closed: true });
  finds(story, "closed by nobody");
});
