/** Which appends may wait: their number, their bytes, and the shares of both. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Admission, SMALL_BYTES } from "../../../src/streams/append/admission.ts";

const LARGE = SMALL_BYTES + 1;

Deno.test("Admission admits so many appends, and another when one is answered", () => {
  const admission = new Admission({ maxBytes: 1000, maxWaiting: 2 });
  assert.ok(admission.admit(1, 0));
  assert.ok(admission.admit(1, 1));
  assert.ok(!admission.admit(1, 2));
  admission.release(1);
  assert.ok(admission.admit(1, 1));
});

Deno.test("Admission counts nothing for an append that it turned away", () => {
  const admission = new Admission({ maxBytes: 100, maxWaiting: 2 });
  assert.ok(admission.admit(60, 0));
  assert.ok(!admission.admit(60, 0));
  assert.ok(admission.admit(40, 0));
});

Deno.test("Admission keeps a quarter of the bytes for small appends", () => {
  const admission = new Admission({ maxBytes: 4 * LARGE });
  for (let n = 0; n < 3; n++) assert.ok(admission.admit(LARGE, 0));
  assert.ok(!admission.admit(LARGE, 0));
  assert.ok(admission.admit(SMALL_BYTES, 0));
});

Deno.test("Admission lets one stream take half of the bytes", () => {
  const admission = new Admission({ maxBytes: 1000 });
  assert.ok(admission.admit(300, 0));
  assert.ok(!admission.admit(300, 300));
  assert.ok(admission.admit(200, 300));
  assert.ok(admission.admit(300, 0), "another stream");
});

Deno.test("Admission admits a body larger than all the bytes when nothing else waits", () => {
  const admission = new Admission({ maxBytes: 1000 });
  assert.ok(admission.admit(5000, 0));
  assert.ok(!admission.admit(1, 0));
  admission.release(5000);
  assert.ok(admission.admit(1, 0));
  assert.ok(!admission.admit(5000, 0));
});

Deno.test("Admission never holds more than its bytes, except for a single body", () => {
  const step = fc.record({ bytes: fc.integer({ min: 0, max: 400 }), answer: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const admission = new Admission({ maxBytes: 300, maxWaiting: 10 });
    const waiting: number[] = [];
    for (const { bytes, answer } of steps) {
      if (answer && waiting.length > 0) admission.release(waiting.shift()!);
      else if (admission.admit(bytes, 0)) waiting.push(bytes);
      const sum = waiting.reduce((total, n) => total + n, 0);
      assert.ok(sum <= 300 || waiting.filter((n) => n > 0).length === 1, `${waiting}`);
      assert.ok(waiting.length <= 10);
    }
  }));
});
