/** How pages are planned, beside a model that has the whole stream in one array. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { concatenate } from "../../../src/lib/bytes.ts";
import { MESSAGE_END } from "../../../src/protocol/json_mode.ts";
import {
  LARGE_LOAD_BYTES,
  longerStop,
  maxPageBytes,
  PagePlan,
  planReadAhead,
  readAheadStop,
  wholeMessages,
} from "../../../src/streams/read/page_plan.ts";

const PAGE_BYTES = 1 << 20;

/** A stream as its model: where its segments begin, its tail, and which of its ranges are cached. */
interface Model {
  readonly starts: readonly number[];
  readonly tail: number;
  /** `[start, stop)` each. */
  readonly cached: readonly (readonly [number, number])[];
  /** Where the bytes of the next stream of the fork chain begin, ascending, tail last. */
  readonly chainStops: readonly number[];
}

const lengths = fc.array(
  fc.oneof(
    fc.integer({ min: 1, max: 2000 }),
    fc.integer({ min: 10_000, max: 300_000 }),
    fc.integer({ min: 500_000, max: 3_000_000 }),
  ),
  { minLength: 1, maxLength: 30 },
);

const models: fc.Arbitrary<Model> = fc.record({
  lengths,
  cached: fc.array(fc.tuple(fc.nat(1 << 22), fc.integer({ min: 1, max: 1 << 20 }))),
  forks: fc.array(fc.nat(1 << 22), { maxLength: 3 }),
}).map(({ lengths, cached, forks }) => {
  let tail = 0;
  const starts = lengths.map((length) => (tail += length) - length);
  return {
    starts,
    tail,
    cached: cached.map(([start, length]) => [start, Math.min(tail, start + length)] as const),
    chainStops: [...forks.filter((at) => at > 0 && at < tail), tail].sort((a, b) => a - b),
  };
});

/** How many bytes the cache gives from `start` on, or 0. */
function cachedBytes({ cached }: Model, start: number, stop: number): number {
  const found = cached.find(([from, to]) => from <= start && start < to);
  return found === undefined ? 0 : Math.min(found[1], stop) - start;
}

/** How many bytes a load gives: to the last end of a segment by `stop`, or the first segment's. */
function loadedBytes({ starts, tail }: Model, start: number, stop: number): number {
  const ends = [...starts.slice(1), tail].filter((end) => end > start);
  return Math.min(stop, ends.findLast((end) => end <= stop) ?? ends[0]!) - start;
}

/** Makes a page as the reader does. Returns its length and how often it had to load. */
function makePage(model: Model, start: number, limit: number): { end: number; parts: number } {
  const stop = Math.min(model.tail, start + limit);
  const plan = new PagePlan({ start, stop, tail: model.tail, pageBytes: PAGE_BYTES });
  assert.ok(plan.loadStop >= stop && plan.loadStop <= model.tail);
  let reach = start;
  let parts = 0;
  for (const chainStop of model.chainStops.filter((at) => at > start)) {
    const until = Math.min(chainStop, plan.loadStop);
    for (let want = plan.next(until); want !== null; want = plan.next(until)) {
      assert.equal(want.start, reach, "parts follow each other");
      assert.ok(want.start < want.stop && want.stop <= stop);
      assert.ok(want.stop <= want.loadStop && want.loadStop <= until);
      const available = cachedBytes(model, want.start, want.stop) ||
        loadedBytes(model, want.start, want.loadStop);
      const taken = plan.take(available);
      assert.ok(taken > 0 && taken <= available);
      reach += taken;
      parts++;
    }
    if (plan.done) break;
  }
  return { end: reach, parts };
}

Deno.test("pages follow each other to the tail, each within its limit", () => {
  const limits = fc.integer({ min: 1, max: PAGE_BYTES });
  fc.assert(fc.property(models, limits, (model, limit) => {
    for (let at = 0, pages = 0; at < model.tail && pages < 50; pages++) {
      const { end } = makePage(model, at, limit);
      assert.ok(end > at, "a page that is not at the tail has bytes");
      assert.ok(end <= Math.min(model.tail, at + limit));
      at = end;
    }
  }));
});

Deno.test("a page is shorter than it could be only where it is one long part, or many tiny ones", () => {
  fc.assert(fc.property(models, fc.nat(), (model, seed) => {
    const start = seed % model.tail;
    const full = Math.min(model.tail, start + PAGE_BYTES);
    const { end, parts } = makePage(model, start, PAGE_BYTES);
    if (end === full || parts === 64) return;
    assert.equal(parts, 1);
    const enough = Math.min(512 << 10, full - start >> 1);
    assert.ok(enough > LARGE_LOAD_BYTES && end - start >= enough);
  }));
});

Deno.test("what is wanted of a fork's source ends where the fork's own bytes begin", () => {
  const plan = new PagePlan({ start: 10, stop: 100, tail: 500, pageBytes: 1000 });
  assert.equal(plan.loadStop, 100);
  assert.deepEqual(plan.next(40), { start: 10, stop: 40, loadStop: 40 });
  assert.equal(plan.take(30), 30);
  assert.equal(plan.next(40), null);
  assert.deepEqual(plan.next(100), { start: 40, stop: 100, loadStop: 100 });
  assert.equal(plan.take(1000), 60, "no more than the page has room for");
  assert.equal(plan.next(100), null);
  assert.ok(plan.done);
});

Deno.test("a full page loads a whole page more than a part of it that is cached", () => {
  const plan = new PagePlan({ start: 0, stop: 1000, tail: 5000, pageBytes: 1000 });
  assert.equal(plan.loadStop, 2000);
  assert.deepEqual(plan.next(2000), { start: 0, stop: 1000, loadStop: 1000 });
  plan.take(300);
  assert.deepEqual(plan.next(2000), { start: 300, stop: 1000, loadStop: 1300 });
});

Deno.test("wholeMessages gives the whole messages of the model, and detects a bad offset", () => {
  const message = fc.uint8Array({ max: 12 }).map((bytes) =>
    Uint8Array.of(...bytes.filter((byte) => byte !== MESSAGE_END), MESSAGE_END)
  );
  fc.assert(fc.property(fc.array(message), fc.nat(), fc.nat(), (messages, from, length) => {
    const stream = concatenate(messages);
    const start = from % (stream.length + 1);
    const stop = Math.min(stream.length, start + length % 40);
    const ends = new Set<number>([0]);
    messages.reduce((sum, { length }) => (ends.add(sum + length), sum + length), 0);
    const lead = start > 0 ? 1 : 0;
    const got = wholeMessages(stream.subarray(start - lead, stop), lead);
    if (!ends.has(start)) return assert.equal(got, "inside_message");
    const end = [...ends].filter((at) => at > start && at <= stop).at(-1);
    if (end === undefined) return assert.equal(got, "incomplete");
    assert.deepEqual(got, stream.slice(start, end));
  }));
});

Deno.test("a message of any length is whole after so many longer stops as its length doubles", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1 << 24 }), (tail) => {
    let stop = Math.min(tail, 1 << 16);
    let times = 0;
    for (; stop < tail; times++) {
      const longer = longerStop({ start: 0, stop, tail });
      assert.ok(longer > stop && longer <= tail);
      stop = longer;
    }
    assert.ok(times <= 8);
  }));
});

Deno.test("what is read ahead begins where the cache ends, and is no more than a page", () => {
  fc.assert(fc.property(models, fc.nat(), (model, seed) => {
    const start = seed % model.tail;
    const range = { start, tail: model.tail, pageBytes: PAGE_BYTES };
    const limit = readAheadStop(range);
    const chain = model.chainStops.filter((stop) => stop > start).map((stop, id) => ({
      id,
      start,
      stop: Math.min(stop, limit),
    }));
    const cachedTo = (position: number): number => {
      const bytes = cachedBytes(model, position, model.tail);
      return bytes === 0 ? position : cachedTo(position + bytes);
    };
    const next = planReadAhead(chain, range, (_, position) => cachedTo(position));
    if (next === null) return;
    assert.equal(next.start, cachedTo(start));
    assert.ok(next.start < start + PAGE_BYTES / 2, "there is not half a page yet");
    assert.ok(next.stop - next.start > LARGE_LOAD_BYTES && next.stop - next.start <= PAGE_BYTES);
    assert.ok(next.stop <= limit);
  }));
});

Deno.test("pages are 4 MiB, and a quarter of it where the database runs on the node's own thread", () => {
  assert.equal(maxPageBytes("postgres"), 4 << 20);
  assert.equal(maxPageBytes("embedded"), 1 << 20);
});
