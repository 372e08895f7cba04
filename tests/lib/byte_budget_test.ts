/** Bytes taken and given back. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteBudget } from "../../src/lib/byte_budget.ts";

Deno.test("ByteBudget gives the first whatever it wants, and the others what is left", () => {
  const budget = new ByteBudget(100);
  assert.ok(budget.take(1000));
  assert.ok(!budget.take(1));
  budget.give(1000);
  assert.ok(budget.take(60));
  assert.ok(!budget.take(20, 0.75));
  assert.ok(budget.take(15, 0.75));
  assert.ok(budget.take(25));
  assert.ok(!budget.take(1));
});

Deno.test("ByteBudget never lends more than it has to more than one", () => {
  const actions = fc.array(fc.record({ bytes: fc.nat(80), gives: fc.boolean() }));
  fc.assert(fc.property(actions, (list) => {
    const budget = new ByteBudget(100);
    const held: number[] = [];
    for (const { bytes, gives } of list) {
      if (gives && held.length > 0) budget.give(held.pop()!);
      else if (budget.take(bytes)) held.push(bytes);
      const used = held.reduce((sum, each) => sum + each, 0);
      assert.ok(used <= 100 || held.filter((each) => each > 0).length === 1);
    }
  }));
});

Deno.test("what grows beyond the whole budget goes on as long as it is alone", () => {
  const budget = new ByteBudget(10);
  assert.ok(budget.take(8, 0.5));
  assert.ok(budget.take(8, 0.5, 8));
  assert.ok(!budget.take(1));
  budget.give(10);
  assert.ok(budget.take(1));
  assert.ok(!budget.take(8, 1, 6), "another holds a byte");
});
