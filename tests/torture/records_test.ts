/** Records: what is written down is read back, from any piece, and any other byte is noticed. */
import assert from "node:assert/strict";
import { bodyOf, decode, messagesOf, storedBytes, storedOfJson } from "./records.ts";

const SHAPES = [
  { id: 1, path: "s", parts: 1, pad: 0 },
  { id: 2, path: "s", parts: 3, pad: 30 },
  { id: 3, path: "s/t", parts: 1, pad: 2500 },
];

const latin1 = (bytes: Uint8Array) =>
  Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

function whole(): Uint8Array {
  const all = SHAPES.map(storedBytes);
  const bytes = new Uint8Array(all.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of all) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}

Deno.test("records are read back in order, with nothing left over", () => {
  assert.deepEqual(decode(whole()), { records: [1, 2, 3], head: "", rest: "", flaws: [] });
  assert.deepEqual(decode(new Uint8Array(0)), { records: [], head: "", rest: "", flaws: [] });
});

Deno.test("any piece gives its whole records and the bytes around them", () => {
  const bytes = whole();
  for (let from = 0; from < bytes.length; from += 13) {
    for (let to = from; to <= bytes.length; to += 29) {
      const { records, head, rest, flaws } = decode(bytes.subarray(from, to));
      assert.deepEqual(flaws, [], `${from} to ${to}`);
      const inside = SHAPES.filter(({ id }) => records.includes(id)).map(storedBytes).map(latin1);
      assert.equal(head + inside.join("") + rest, latin1(bytes.subarray(from, to)));
    }
  }
});

Deno.test("a changed byte is never part of a record", () => {
  const bytes = whole();
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 0x01;
    const { records, head, rest, flaws } = decode(changed);
    const noticed = flaws.length > 0 || head !== "" || rest !== "";
    assert.ok(noticed && records.length < 3, `byte ${at}`);
  }
});

Deno.test("a missing and a doubled message of a record are noticed", () => {
  const [first, second, third] = messagesOf(SHAPES[1]!).map((message) => message + "\n");
  const before = messagesOf(SHAPES[0]!)[0] + "\n";
  const after = messagesOf(SHAPES[2]!)[0] + "\n";
  for (const lines of [[first, third], [first, second], [first, second, second, third]]) {
    const text = [before, ...lines, after].join("");
    const { flaws } = decode(new TextEncoder().encode(text));
    assert.equal(flaws.length, 1, text.slice(0, 100));
  }
});

Deno.test("JSON comes back as the same bytes, or is said not to", () => {
  const [shape] = SHAPES.slice(1, 2);
  const body = new TextDecoder().decode(bodyOf(shape!, true));
  assert.deepEqual(storedOfJson(body), { bytes: storedBytes(shape!), flaws: [] });
  assert.deepEqual(storedOfJson("[]").bytes.length, 0);
  for (const other of [body.replace(",", ", "), body.slice(1), `{"a":1}`]) {
    assert.equal(storedOfJson(other).flaws.length, 1, other.slice(0, 60));
  }
});
