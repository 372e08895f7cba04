// Runs quietly: it measures the time of a computation.
import assert from "node:assert/strict";
import fc from "fast-check";
import { type LruLinks, LruList } from "../../src/lib/lru_list.ts";

class Item implements LruLinks<Item> {
  older: Item | null = null;
  newer: Item | null = null;
  constructor(readonly name: number) {}
}

function namesOf(order: LruList<Item>): number[] {
  const names = [];
  for (let item = order.oldest; item !== null; item = item.newer) names.push(item.name);
  return names;
}

Deno.test("LruList: any uses and removals leave what a Set that is added to anew would hold", () => {
  const step = fc.tuple(fc.constantFrom("use", "use", "remove"), fc.nat(7));
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const items = Array.from({ length: 8 }, (_, name) => new Item(name));
    const order = new LruList<Item>();
    const model = new Set<number>();
    for (const [what, name] of steps) {
      model.delete(name);
      if (what === "use") {
        model.add(name);
        order.use(items[name]!);
      } else {
        order.remove(items[name]!);
      }
      assert.deepEqual(namesOf(order), [...model]);
    }
    for (const item of items) {
      if (!model.has(item.name)) assert.deepEqual([item.older, item.newer], [null, null]);
    }
  }));
});

Deno.test("LruList: a use costs the same among many, which in a Map or a Set it does not", () => {
  const order = new LruList<Item>();
  const items = Array.from({ length: 100_000 }, (_, name) => new Item(name));
  for (const item of items) order.use(item);
  const begun = performance.now();
  for (let n = 0; n < 100_000; n++) order.use(items[n % 2]!);
  // 5 ms as a rule; 3,000 with a Set.
  const took = performance.now() - begun;
  assert.ok(took < 500, `${took} ms`);
});
