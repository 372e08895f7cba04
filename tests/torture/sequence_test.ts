/** `Stream-Seq` values: always greater byte by byte, and what is meant to be refused never is. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Random } from "./random.ts";
import { notAfter, Sequence } from "./sequence.ts";

const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

Deno.test("each value is greater than the one before, and what comes late is not", () => {
  const random = new Random(1);
  const sequence = new Sequence();
  let last = "";
  let byLocale = 0;
  for (let count = 0; count < 5000; count++) {
    const value = sequence.next(random);
    assert.ok(compare(last, value) < 0, `${value} after ${last}`);
    assert.ok(value.length <= 512);
    if (last.localeCompare(value, "en") > 0) byLocale++;
    const late = notAfter(value, random);
    assert.ok(late !== "" && compare(late, value) <= 0, `${late} is after ${value}`);
    last = value;
  }
  assert.ok(byLocale > 500, `another order tells only ${byLocale} of them apart`);
});
