/**
 * The checker finds nothing in a history that is right, and every kind of wrong in one that is not:
 * here in what a stream holds; lives_test.ts has what becomes of streams and requests.
 */
import assert from "node:assert/strict";
import type { Read } from "../history.ts";
import { messagesOf, storedBytes } from "../records.ts";
import { refused, Scenario, UNKNOWN } from "./scenario.ts";
import { begun, finds, findsNothing, records, UNAVAILABLE } from "./support.ts";

Deno.test("a history in which everything went well, and much was not answered, is found right", () => {
  const scenario = begun();
  const producer = { id: "p", epoch: 0, seq: 0 };
  const first = scenario.append("s", { producer }, UNKNOWN);
  scenario.append("s", { producer, record: first.record });
  scenario.append("s", { producer: { ...producer, seq: 1 } });
  scenario.append("s", { producer: { ...producer, epoch: 1 } });
  scenario.append("s", { producer: { ...producer, seq: 2 } }, refused(403, "STALE_EPOCH"));
  scenario.append(
    "s",
    { producer: { ...producer, epoch: 1, seq: 5 } },
    refused(409, "SEQUENCE_GAP"),
  );
  scenario.append("s", {}, UNAVAILABLE);
  records(scenario).pop(); // not answered, and not there
  scenario.append("s", {}, UNAVAILABLE); // not answered, and there
  const middle = scenario.read("s", { mode: "sse", follower: "f" }).end!;
  scenario.create("fork", { fork: { source: "s", position: middle } });
  scenario.append("fork");
  scenario.append("s");
  scenario.read("s", { start: middle, mode: "long-poll", follower: "f" });
  scenario.head("s");
  const tail = scenario.append("s", { closes: true }).tail!;
  scenario.append("s", {}, { ...refused(409, "STREAM_CLOSED"), tail });
  scenario.read("s", { start: tail });
  scenario.history.followerEnds.push({ follower: "g", path: "s", position: tail, tail });
  scenario.create("mortal");
  scenario.append("mortal");
  scenario.delete("mortal");
  scenario.head("mortal", refused(404, "Not Found"));
  scenario.create("mortal");
  scenario.append("mortal");
  scenario.create("ttl", { ttlMs: 1000 });
  scenario.clock += 500;
  scenario.read("ttl");
  scenario.clock += 5000;
  scenario.head("ttl", refused(404, "Not Found"));
  for (const path of ["s", "fork", "mortal"]) scenario.settle(path);
  findsNothing(scenario);
});

Deno.test("lost: an acked append that no node has in the end", () => {
  const scenario = begun();
  records(scenario).pop();
  scenario.settle("s");
  finds(scenario, "lost append");
});

Deno.test("lost: an append acked as a duplicate that is not there", () => {
  const scenario = begun();
  const producer = { id: "p", epoch: 0, seq: 0 };
  const first = scenario.append("s", { producer }, UNKNOWN);
  records(scenario).pop();
  scenario.append("s", { producer, record: first.record });
  scenario.settle("s");
  finds(scenario, "lost append");
});

Deno.test("lost: one node does not have what the other has", () => {
  const scenario = begun();
  scenario.append("s", {}, UNKNOWN);
  const [whole] = [scenario.read("s"), records(scenario).pop()];
  const less = scenario.read("s", {}, { node: 1 });
  scenario.history.settled.push({ path: "s", reads: [whole.id] }, { path: "s", reads: [less.id] });
  finds(scenario, "readers disagree");
});

Deno.test("lost: a record across pages is there, and one whose middle is missing is not", () => {
  const scenarioOf = (cuts: readonly number[]) => {
    const scenario = begun();
    const [first, second, third] = records(scenario);
    const start = scenario.lengthOf(first!);
    const bytes = storedBytes(scenario.history.records.get(second!)!);
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    const page = (from: number, to: number, twist: Parameters<Scenario["read"]>[2]) =>
      scenario.read("s", {}, { start: start + from, end: start + to, upToDate: false, ...twist })
        .id;
    const [one, two] = cuts as [number, number];
    const reads = [
      page(-start, one, { records: [first!], rest: text.slice(0, one) }),
      page(one, two, { records: [], head: text.slice(one, two) }),
      page(two, bytes.length, { records: [third!], head: text.slice(two), upToDate: true }),
    ];
    scenario.history.operations[reads[2]!] = {
      ...scenario.history.operations[reads[2]!]!,
      end: scenario.tailOf("s"),
    } as Read;
    return { scenario, reads };
  };
  const { scenario, reads } = scenarioOf([10, 30]);
  scenario.history.settled.push({ path: "s", reads });
  findsNothing(scenario);
  scenario.history.settled[0] = { path: "s", reads: [reads[0]!, reads[2]!] };
  finds(scenario, "lost append");
});

Deno.test("doubled: an append that is there twice", () => {
  const scenario = begun();
  records(scenario).push(records(scenario)[0]!);
  scenario.settle("s");
  finds(scenario, "doubled append");
});

Deno.test("doubled: an append without an answer is there twice, in different pages", () => {
  const scenario = begun();
  const { record } = scenario.append("s", {}, UNKNOWN);
  const end = scenario.read("s").end!;
  records(scenario).push(record!);
  scenario.read("s", { start: end });
  finds(scenario, "doubled append");
});

Deno.test("reordered: two readers have two orders", () => {
  const scenario = begun();
  scenario.read("s");
  records(scenario).reverse();
  scenario.read("s");
  finds(scenario, "readers disagree");
});

Deno.test("reordered: an order all readers agree on, but not what time says", () => {
  const scenario = new Scenario();
  scenario.create("s");
  const one = scenario.append("s", { producer: { id: "p", epoch: 0, seq: 0 } }, UNKNOWN);
  scenario.append("s", { producer: { id: "p", epoch: 0, seq: 0 }, record: one.record }, {
    duplicate: true,
  });
  const two = scenario.append("s", {}, UNKNOWN);
  records(scenario).reverse();
  assert.deepEqual(records(scenario), [two.record, one.record]);
  scenario.settle("s");
  finds(scenario, "out of order");
});

Deno.test("offsets: an answer places a record where readers do not find it", () => {
  const scenario = begun();
  scenario.append("s", {}, { tail: scenario.tailOf("s") + 500 });
  scenario.settle("s");
  finds(scenario, "doubled append");
});

Deno.test("offsets: the tail goes back", () => {
  const scenario = begun();
  scenario.head("s");
  scenario.head("s", { tail: scenario.tailOf("s") - 10 });
  finds(scenario, "stale");
});

Deno.test("stale: a read after an ack does not have it", () => {
  const scenario = begun();
  const [last] = records(scenario).splice(2);
  scenario.read("s");
  records(scenario).push(last!);
  scenario.settle("s");
  finds(scenario, "stale");
});

Deno.test("stale: an answer less than another answer, and both under way at once, are right", () => {
  const scenario = begun();
  const before = scenario.tailOf("s");
  const slow = scenario.append("s", {});
  scenario.head("s", { tail: before, invoked: slow.invoked - 0.5, completed: scenario.clock + 1 });
  scenario.clock += 10;
  scenario.settle("s");
  findsNothing(scenario);
});

Deno.test("changed: what the decoder cannot read as ours is reported", () => {
  const scenario = begun();
  scenario.read("s", {}, { flaws: ["not a record of ours"] });
  finds(scenario, "changed bytes");
});

Deno.test("changed: one byte in a record that was read in part", () => {
  const scenario = begun();
  const [, second] = records(scenario);
  const shape = scenario.history.records.get(second!)!;
  const start = scenario.lengthOf(records(scenario)[0]!);
  const bytes = storedBytes(shape);
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const third = records(scenario)[2]!;
  const read = (head: string) =>
    scenario.read("s", { start: start + 5 }, { head, records: [third], end: scenario.tailOf("s") });
  read(text.slice(5));
  findsNothing(scenario);
  read(text.slice(5).replace("record", "rEcord"));
  finds(scenario, "changed bytes");
});

Deno.test("changed: one byte where a piece goes from one record to the next", () => {
  const scenario = begun();
  const text = records(scenario).map((record) =>
    Array.from(
      storedBytes(scenario.history.records.get(record)!),
      (byte) => String.fromCharCode(byte),
    ).join("")
  ).join("");
  const start = scenario.lengthOf(1) - 4;
  const read = (head: string) =>
    scenario.read("s", {}, { start, head, records: [], end: start + head.length, upToDate: false });
  read(text.slice(start, start + 20));
  findsNothing(scenario);
  read(text.slice(start, start + 20).replace("path", "pith"));
  finds(scenario, "changed bytes");
});

Deno.test("torn: up to date in the middle of a record", () => {
  const scenario = begun();
  const [message] = messagesOf(scenario.history.records.get(3)!);
  const records_ = records(scenario).slice(0, 2);
  const rest = message!.slice(0, 10);
  const end = scenario.tailOf("s") - scenario.lengthOf(3) + 10;
  scenario.read("s", {}, { records: records_, rest, end, upToDate: false });
  findsNothing(scenario);
  scenario.read("s", {}, { records: records_, rest, end });
  finds(scenario, "torn record");
});

Deno.test("torn: the last record ever read, by one reader only", () => {
  const scenario = begun();
  scenario.append("s", {}, UNKNOWN);
  records(scenario).pop();
  scenario.read("s", {}, { rest: "{", end: scenario.tailOf("s") + 1 });
  finds(scenario, "torn record");
});

Deno.test("misplaced: a record of another stream", () => {
  const scenario = begun();
  scenario.create("other");
  const { record } = scenario.append("other");
  records(scenario).push(record!);
  scenario.read("s");
  finds(scenario, "misplaced record");
});

Deno.test("range: an answer that says it goes further than it does", () => {
  const scenario = begun();
  scenario.read("s", {}, { end: scenario.tailOf("s") + 7 });
  finds(scenario, "wrong range");
});

Deno.test("range: a page without a record in its middle", () => {
  const scenario = begun();
  const [first, , last] = records(scenario);
  scenario.read("s", {}, { records: [first!, last!] });
  finds(scenario, "doubled append"); // the last one lies elsewhere
});

Deno.test("refused, and yet it is there", () => {
  const scenario = begun();
  const { record } = scenario.append("s", {}, refused(403, "STALE_EPOCH"));
  records(scenario).push(record!);
  scenario.read("s");
  finds(scenario, "refused yet stored");
});

Deno.test("read before anybody had sent it", () => {
  const scenario = begun();
  const read = scenario.read("s");
  const { record } = scenario.append("s");
  scenario.history.operations[read.id] = { ...read, records: [...read.records, record!] };
  finds(scenario, "read before it was written");
});

Deno.test("forks: other bytes than the source's", () => {
  const scenario = begun();
  scenario.create("fork", { fork: { source: "s", position: scenario.tailOf("s") } });
  records(scenario, "fork").reverse();
  scenario.read("fork");
  scenario.read("s");
  finds(scenario, "readers disagree");
});

Deno.test("forks: an append to the source shows in the fork", () => {
  const scenario = begun();
  scenario.create("fork", { fork: { source: "s", position: scenario.tailOf("s") } });
  const { record } = scenario.append("s");
  records(scenario, "fork").push(record!);
  scenario.read("fork");
  finds(scenario, "misplaced record");
});

Deno.test("closed: an append is taken after it", () => {
  const scenario = begun();
  scenario.append("s", { closes: true });
  scenario.append("s", {}, { closed: false });
  finds(scenario, "closed, then open");
});

Deno.test("closed: a record without an answer appears after it", () => {
  const scenario = begun();
  scenario.append("s", { closes: true });
  scenario.append("s", {}, UNKNOWN);
  scenario.read("s");
  finds(scenario, "closed, then open");
});

Deno.test("closed: another node says it is open", () => {
  const scenario = begun();
  scenario.append("s", { closes: true });
  scenario.head("s", { closed: false });
  finds(scenario, "closed, then open");
});

Deno.test("closed: a follower sees the end of the stream before its last record", () => {
  const scenario = begun();
  scenario.append("s", { closes: true, record: null }, UNKNOWN);
  const [first] = records(scenario);
  scenario.read("s", { mode: "sse", follower: "f" }, {
    records: [first!],
    end: scenario.lengthOf(first!),
    upToDate: false,
  });
  scenario.read("s");
  finds(scenario, "two ends");
});

Deno.test("closed: nobody had asked for it", () => {
  const scenario = begun();
  scenario.append("s", {}, refused(409, "STREAM_CLOSED"));
  scenario.read("s", {}, { closed: true });
  finds(scenario, "closed by nobody");
});
