/** Cutting input and answers into messages: for all bytes, however they are chunked. */
import { copyTogether } from "../../src/lib/bytes.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { jsonLines, lines } from "../../src/client/input_messages.ts";
import { JsonMessages } from "../../src/client/json_messages.ts";
import { LastLines, LastMessages } from "../../src/client/last_items.ts";

const utf8 = new TextEncoder();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Bytes cut at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [...places].map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...sorted].map((from, at) => bytes.subarray(from, sorted[at] ?? bytes.length));
}

async function* chunks(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

const places = fc.array(fc.nat(), { maxLength: 8 });
const someLines = fc.array(fc.constantFrom("", "a", "two words", "é😀", "x".repeat(70_000)));

Deno.test("JsonMessages gives each message's own text, wherever an answer is cut", () => {
  const spaces = fc.constantFrom("", " ", "\n", "\r\n\t");
  fc.assert(
    fc.property(fc.array(fc.json(), { maxLength: 6 }), spaces, places, (values, space, cuts) => {
      const page = utf8.encode(`${space}[${space}${values.join(`${space},${space}`)}${space}]\n`);
      const messages = new JsonMessages();
      const found = cut(page, cuts).flatMap((piece) => messages.push(piece)).map(text);
      assert.deepEqual(found, values);
      assert.ok(messages.complete);
    }),
  );
});

Deno.test("JsonMessages makes one line of a message, and knows what is incomplete or no array", () => {
  const messages = new JsonMessages();
  const pretty = utf8.encode(`[{\n  "a": "\\n"\r\n},1.0`);
  assert.deepEqual(messages.push(pretty).map(text), [`{   "a": "\\n"  }`]);
  assert.ok(!messages.complete);
  assert.deepEqual(messages.push(utf8.encode("]")).map(text), ["1.0"]);
  assert.ok(messages.complete);
  for (const other of ["{}", "<html>", "[1][2]"]) {
    assert.throws(() => new JsonMessages().push(utf8.encode(other)), /no JSON array/);
  }
});

Deno.test("lines keeps every byte and counts every line, and ends pieces at lines", async () => {
  await fc.assert(
    fc.asyncProperty(someLines, fc.boolean(), places, async (rows, terminated, cuts) => {
      const bytes = utf8.encode(rows.join("\n") + (terminated ? "\n" : ""));
      const pieces = await Array.fromAsync(lines(chunks(cut(bytes, cuts))));
      assert.ok(text(copyTogether(pieces.map((piece) => piece.bytes))) === text(bytes));
      const counted = pieces.reduce((sum, piece) => sum + piece.messages, 0);
      const whole = text(bytes);
      const expected = whole.split("\n").length - (whole === "" || whole.endsWith("\n") ? 1 : 0);
      assert.equal(counted, expected);
      const long = rows.some((row) => row.length > 60_000);
      for (const piece of pieces.slice(0, -1)) {
        assert.ok(long || piece.bytes.at(-1) === 0x0a);
        assert.ok(piece.bytes.length <= 65_536);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("jsonLines passes over empty lines and names the line that is not JSON", async () => {
  const bytes = utf8.encode(`{"a":1.0}\r\n\n [2] \n"x"`);
  const pieces = await Array.fromAsync(jsonLines(chunks(cut(bytes, [3, 12, 13]))));
  assert.deepEqual(pieces.map((piece) => text(piece.bytes)), [`{"a":1.0}`, "[2]", `"x"`]);
  const bad = jsonLines(chunks([utf8.encode("1\n\n{]\n")]));
  assert.equal(text((await bad.next()).value!.bytes), "1");
  await assert.rejects(bad.next(), /line 3 is not JSON/);
});

Deno.test("LastLines keeps what tail -n prints, wherever the bytes are cut", () => {
  const rows = fc.array(fc.constantFrom("", "a", "bb", "é"), { maxLength: 12 });
  fc.assert(
    fc.property(rows, fc.boolean(), fc.nat({ max: 14 }), places, (rows, ended, count, cuts) => {
      const whole = rows.join("\n") + (ended && rows.length > 0 ? "\n" : "");
      const last = new LastLines(count);
      for (const piece of cut(utf8.encode(whole), cuts)) last.push(piece);
      const expected = whole.match(/[^\n]*\n|[^\n]+$/g) ?? [];
      const kept = count === 0 ? "" : expected.slice(-count).join("");
      assert.equal(text(copyTogether(last.bytes())), kept);
    }),
  );
});

Deno.test("LastLines holds no more than its lines, however much passes", () => {
  const last = new LastLines(2);
  const row = utf8.encode(`${"x".repeat(999)}\n`);
  // 400 MB in all, of which more than 256 MiB would be refused.
  for (let at = 0; at < 400_000; at++) last.push(row);
  assert.equal(copyTogether(last.bytes()).length, 2000);
  const endless = new LastLines(1);
  const chunk = new Uint8Array(64 << 20);
  assert.throws(() => {
    for (let at = 0; at < 5; at++) endless.push(chunk);
  }, /ask for fewer/);
});

Deno.test("LastMessages keeps the newest, in order", () => {
  fc.assert(
    fc.property(fc.nat({ max: 6 }), fc.nat({ max: 20 }), (count, total) => {
      const last = new LastMessages(count);
      const all = Array.from({ length: total }, (_, at) => String(at));
      for (const message of all) last.push(utf8.encode(message));
      assert.deepEqual(last.messages().map(text), count === 0 ? [] : all.slice(-count));
    }),
  );
});
