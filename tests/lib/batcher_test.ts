import assert from "node:assert/strict";
import { Overloaded } from "../../src/errors.ts";
import { Batcher } from "../../src/lib/batcher.ts";

/** A batcher of numbers whose batches end when the test says so. */
function numbers(options: { concurrency?: number; maxWaiting?: number; most?: number } = {}) {
  const batches: { items: readonly number[]; end: (error?: Error) => void }[] = [];
  let onBatch = () => {};
  const { most } = options;
  const batcher = new Batcher<number, string>({
    concurrency: options.concurrency ?? 1,
    maxWaiting: options.maxWaiting ?? 100,
    onFull: () => new Error("full"),
    failsWaiting: (error) => (error as Error).message === "timeout",
    ...(most === undefined ? {} : { select: (waiting) => waiting.slice(0, most) }),
    run: (items) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error) => error ? reject(error) : resolve(items.map(String));
        batches.push({ items, end });
        onBatch();
      }),
  });
  const begun = async (count: number) => {
    while (batches.length < count) await new Promise<void>((resolve) => onBatch = resolve);
    return batches[count - 1]!;
  };
  return { batcher, begun, batches };
}

Deno.test("Batcher runs together what was submitted in one turn", async () => {
  const { batcher, begun } = numbers();
  const results = Promise.all([1, 2, 3].map((item) => batcher.submit(item)));
  const first = await begun(1);
  assert.deepEqual(first.items, [1, 2, 3]);
  first.end();
  assert.deepEqual(await results, ["1", "2", "3"]);
});

Deno.test("Batcher runs what waited behind a batch in the next one", async () => {
  const { batcher, begun, batches } = numbers();
  const one = batcher.submit(1);
  const first = await begun(1);
  const others = Promise.all([batcher.submit(2), batcher.submit(3)]);
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal(batches.length, 1);
  first.end();
  assert.equal(await one, "1");
  const second = await begun(2);
  assert.deepEqual(second.items, [2, 3]);
  second.end();
  assert.deepEqual(await others, ["2", "3"]);
});

Deno.test("Batcher begins a second batch beside the first where the concurrency allows it", async () => {
  const { batcher, begun } = numbers({ concurrency: 2 });
  const one = batcher.submit(1);
  const first = await begun(1);
  const two = batcher.submit(2);
  const second = await begun(2);
  second.end();
  assert.equal(await two, "2");
  first.end();
  assert.equal(await one, "1");
});

Deno.test("Batcher leaves what select does not choose to the next batch", async () => {
  const { batcher, begun } = numbers({ most: 2 });
  const results = Promise.all([1, 2, 3].map((item) => batcher.submit(item)));
  (await begun(1)).end();
  const second = await begun(2);
  assert.deepEqual(second.items, [3]);
  second.end();
  assert.deepEqual(await results, ["1", "2", "3"]);
});

Deno.test("Batcher refuses what is beyond maxWaiting", async () => {
  const { batcher, begun } = numbers({ maxWaiting: 1 });
  const one = batcher.submit(1);
  await assert.rejects(batcher.submit(2), /full/);
  (await begun(1)).end();
  assert.equal(await one, "1");
});

Deno.test("an error fails its batch, and what waits only if it says so", async () => {
  const { batcher, begun } = numbers();
  const one = batcher.submit(1);
  const first = await begun(1);
  const two = batcher.submit(2);
  first.end(new Error("broken"));
  await assert.rejects(one, /broken/);
  const second = await begun(2);
  const three = batcher.submit(3);
  second.end(new Error("timeout"));
  await assert.rejects(two, /timeout/);
  await assert.rejects(three, /timeout/);
});

Deno.test("Batcher takes maxBatch items at most, those first that have waited longest", async () => {
  const batches: number[][] = [];
  const batcher = new Batcher<number, number>({
    concurrency: 1,
    maxBatch: 2,
    run: (items) => {
      batches.push([...items]);
      return Promise.resolve(items);
    },
  });
  const results = await Promise.all([1, 2, 3, 4, 5].map((item) => batcher.submit(item)));
  assert.deepEqual(results, [1, 2, 3, 4, 5]);
  assert.deepEqual(batches, [[1, 2], [3, 4], [5]]);
});

Deno.test("Batcher refuses what is beyond maxWaiting as Overloaded unless it is told otherwise", async () => {
  const batcher = new Batcher<number, number>({
    concurrency: 1,
    maxWaiting: 1,
    run: (items) => Promise.resolve(items),
  });
  const one = batcher.submit(1);
  await assert.rejects(batcher.submit(2), Overloaded);
  assert.equal(await one, 1);
});

Deno.test("a batch that began before an item was submitted never answers it", async () => {
  const { batcher, begun, batches } = numbers({ concurrency: 2 });
  const one = batcher.submit(1);
  const first = await begun(1);
  const again = batcher.submit(1);
  first.end();
  assert.equal(await one, "1");
  const second = await begun(2);
  assert.deepEqual(batches.map(({ items }) => items), [[1], [1]]);
  let answered = false;
  void again.then(() => answered = true);
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal(answered, false);
  second.end();
  assert.equal(await again, "1");
});
