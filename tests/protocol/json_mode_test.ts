import assert from "node:assert/strict";
// deno-lint-ignore no-import-prefix
import fc from "npm:fast-check@4.10.2";
import {
  flattenJson,
  flattenJsonInTurns,
  InvalidJson,
  JsonTooDeep,
  lastBoundary,
  positionAfterMessages,
  renderMessages,
  splitAnywhere,
  splitAtMessages,
} from "../../src/protocol/json_mode.ts";
import { JsonScanner } from "../../src/protocol/json_scanner.ts";
import { isUtf8 } from "node:buffer";
import { setImmediate } from "node:timers";

const RS = "\x1e";
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

function flatten(text: string): { stored: string; messages: number } {
  const { bytes, messages } = flattenJson(bytesOf(text));
  return { stored: textOf(bytes), messages };
}

const space = fc.string({ unit: fc.constantFrom(" ", "\n", "\r", "\t"), maxLength: 3 });

/** JSON source text with white space wherever it may stand, and numbers no double can hold. */
const source = fc.letrec<{ value: string; wrapped: string }>((tie) => ({
  wrapped: fc.tuple(space, tie("value"), space).map((parts) => parts.join("")),
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom("null", "true", "1.0", "1e400", "-0", "12345678901234567890", '"\\u001e\\""'),
    fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
    fc.string({ unit: fc.constantFrom("[", "]", "{", "}", ",", '"', "\\", " ", "é", "\ufeff") })
      .map((text) => JSON.stringify(text)),
    fc.array(tie("wrapped"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    fc.array(fc.tuple(space, fc.string(), space, tie("wrapped")), { maxLength: 4 }).map((fields) =>
      `{${fields.map(([l, key, r, v]) => `${l}${JSON.stringify(key)}${r}:${v}`).join(",")}}`
    ),
  ),
}));
const notArray = source.value.filter((text) => !text.startsWith("["));

Deno.test("flattenJson keeps the elements of an array as they were sent", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(space, source.value, space)),
    space,
    (items, around) => {
      const body = `${around}[${items.map((parts) => parts.join("")).join(",")}]${around}`;
      const messages = items.map(([, value]) => value);
      const expected = messages.map((message) => message + RS).join("");
      assert.deepEqual(flatten(body), { stored: expected, messages: messages.length });
      const rendered = textOf(renderMessages(flattenJson(bytesOf(body)).bytes).bytes);
      assert.equal(rendered, `[${messages.join(",")}]`);
      assert.deepEqual(JSON.parse(rendered), JSON.parse(body));
    },
  ));
});

Deno.test("flattenJson keeps any other body as one message", () => {
  fc.assert(fc.property(space, notArray, space, (left, value, right) => {
    assert.deepEqual(flatten(left + value + right), { stored: value + RS, messages: 1 });
  }));
});

Deno.test("flattenJson flattens one level", () => {
  assert.deepEqual(flatten("[[1,2], [3,4]]"), { stored: `[1,2]${RS}[3,4]${RS}`, messages: 2 });
  assert.deepEqual(flatten("[[[1,2,3]]]"), { stored: `[[1,2,3]]${RS}`, messages: 1 });
  assert.deepEqual(flatten("[[]]"), { stored: `[]${RS}`, messages: 1 });
});

Deno.test("flattenJson finds no message in an empty array", () => {
  for (const body of ["[]", " [ \r\n\t] "]) {
    assert.deepEqual(flatten(body), { stored: "", messages: 0 });
  }
});

Deno.test("flattenJson leaves white space and numbers within a message alone", () => {
  const message = `{ "b": 1.0,\n\t"a": 12345678901234567890, "c": [ 1e400 ] }`;
  assert.equal(flatten(`[ ${message} ]`).stored, message + RS);
  assert.equal(flatten(message).stored, message + RS);
});

Deno.test("flattenJson works on a view into a larger buffer", () => {
  const view = bytesOf("xx[1,2]xx").subarray(2, 7);
  assert.equal(textOf(flattenJson(view).bytes), `1${RS}2${RS}`);
});

Deno.test("flattenJson refuses what is not one JSON text", () => {
  const bad = [
    "",
    " ",
    "[1,]",
    "[,1]",
    "[1",
    "1 2",
    "[1][2]",
    "{a:1}",
    "'a'",
    "NaN",
    `"a${RS}b"`,
    `1${RS}2`,
    `"line\nbreak"`,
    "\ufeff1",
    "1\u00a0",
    "01",
  ];
  for (const body of bad) assert.throws(() => flatten(body), InvalidJson, JSON.stringify(body));
});

Deno.test("flattenJson refuses what is not UTF-8", () => {
  for (const inside of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf]]) {
    assert.throws(() => flattenJson(Uint8Array.of(0x22, ...inside, 0x22)), InvalidJson);
  }
});

Deno.test("flattenJson never answers with anything but bytes or InvalidJson", () => {
  const nearJson = fc.string({ unit: fc.constantFrom(...'[]{},:"\\ \n1e-tru') });
  fc.assert(fc.property(nearJson, (body) => {
    try {
      const { bytes, messages } = flattenJson(bytesOf(body));
      assert.equal(positionAfterMessages(bytes, Infinity).found, messages);
    } catch (error) {
      assert.ok(error instanceof InvalidJson);
    }
  }));
});

Deno.test("renderMessages of nothing is the empty array", () => {
  assert.equal(textOf(renderMessages(new Uint8Array()).bytes), "[]");
});

Deno.test("renderMessages finds the ends of short and long messages", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1 }), (sizes) => {
    const messages = sizes.map((size) => "7".repeat(size));
    const stored = bytesOf(messages.map((message) => message + RS).join(""));
    assert.equal(textOf(renderMessages(stored).bytes), `[${messages.join(",")}]`);
  }));
});

Deno.test("renderMessages refuses bytes that end within a message", () => {
  assert.throws(() => renderMessages(bytesOf(`1${RS}2`)), RangeError);
});

Deno.test("renderMessages leaves the stored bytes as they are", () => {
  const stored = bytesOf(`1${RS}2${RS}`);
  renderMessages(stored);
  assert.equal(textOf(stored), `1${RS}2${RS}`);
});

Deno.test("positionAfterMessages walks over whole messages", () => {
  const stored = bytesOf(`1${RS}22${RS}333`);
  assert.deepEqual(positionAfterMessages(stored, 0), { found: 0, length: 0 });
  assert.deepEqual(positionAfterMessages(stored, 1), { found: 1, length: 2 });
  assert.deepEqual(positionAfterMessages(stored, 2), { found: 2, length: 5 });
  assert.deepEqual(positionAfterMessages(stored, 9), { found: 2, length: 5 });
  assert.deepEqual(positionAfterMessages(new Uint8Array(), 1), { found: 0, length: 0 });
});

Deno.test("lastBoundary stands after the last terminator", () => {
  assert.equal(lastBoundary(bytesOf(`1${RS}22${RS}333`)), 5);
  assert.equal(lastBoundary(bytesOf(`1${RS}`)), 2);
  assert.equal(lastBoundary(bytesOf("333")), 0);
  assert.equal(lastBoundary(new Uint8Array()), 0);
});

const messageSizes = fc.array(fc.integer({ min: 1, max: 12 }));
const limits = fc.integer({ min: 1, max: 30 });

Deno.test("splitAtMessages cuts at boundaries, as rarely as the limit allows", () => {
  fc.assert(fc.property(messageSizes, limits, (sizes, limit) => {
    const stored = bytesOf(sizes.map((size) => "7".repeat(size - 1) + RS).join(""));
    const expected: number[] = [];
    let room = 0;
    for (const size of sizes) {
      if (size <= room) expected[expected.length - 1]! += size;
      else expected.push(size);
      room = size <= room ? room - size : limit - size;
    }
    const pieces = splitAtMessages(stored, limit);
    assert.deepEqual(pieces.map((piece) => piece.length), expected);
    let start = 0;
    for (const piece of pieces) {
      assert.equal(piece.start, start);
      start += piece.length;
    }
    assert.equal(start, stored.length);
  }));
});

Deno.test("splitAtMessages keeps bytes after the last terminator", () => {
  assert.deepEqual(splitAtMessages(bytesOf(`1${RS}22222`), 3), [
    { start: 0, length: 2 },
    { start: 2, length: 5 },
  ]);
});

Deno.test("splitAnywhere covers everything in full pieces", () => {
  assert.deepEqual(splitAnywhere(0, 4), []);
  assert.deepEqual(splitAnywhere(8, 4), [{ start: 0, length: 4 }, { start: 4, length: 4 }]);
  assert.deepEqual(splitAnywhere(9, 4).at(-1), { start: 8, length: 1 });
});

Deno.test("a limit must be a positive integer", () => {
  for (const limit of [0, -1, 1.5, NaN]) {
    assert.throws(() => splitAnywhere(9, limit), RangeError);
    assert.throws(() => splitAtMessages(bytesOf(`1${RS}`), limit), RangeError);
  }
});

/** The body is valid for both, or for neither; and is stored as the same bytes. */
function scanned(body: Uint8Array, step: number): { stored: string; messages: number } | "invalid" {
  try {
    if (!isUtf8(body)) return "invalid";
    const scanner = new JsonScanner(body);
    while (!scanner.run(step));
    const { bytes, messages } = scanner.result();
    return { stored: textOf(bytes), messages };
  } catch (error) {
    assert.ok(error instanceof InvalidJson);
    return "invalid";
  }
}

function parsed(body: Uint8Array): { stored: string; messages: number } | "invalid" {
  assert.ok(body.length <= 2000);
  try {
    const { bytes, messages } = flattenJson(body);
    return { stored: textOf(bytes), messages };
  } catch (error) {
    assert.ok(error instanceof InvalidJson);
    return "invalid";
  }
}

const step = fc.integer({ min: 1, max: 40 });

Deno.test("JsonScanner stores what JSON.parse lets through, wherever it is interrupted", () => {
  fc.assert(
    fc.property(fc.tuple(space, source.value, space), step, (parts, bytes) => {
      const body = bytesOf(parts.join("")).subarray(0, 2000);
      assert.deepEqual(scanned(body, bytes), parsed(body));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("JsonScanner refuses what JSON.parse refuses", () => {
  const token = fc.constantFrom(
    ...['"', "\\", "[", "]", "{", "}", ",", ":", " ", "\n", "\t", "-", "0", "1", ".", "e", "E"],
    ...[
      "+",
      "true",
      "false",
      "null",
      "tru",
      "\\u",
      "\\u00",
      "\\n",
      "ab",
      "é",
      "\x01",
      "\x1e",
      "\x7f",
    ],
    ...["\ufeff", "\u2028", "1.5e-7", '"a"', '"a":1', "nullx", "01", "1.", "-0", "\u00a0", "\x0c"],
  );
  const text = fc.array(token, { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, step, (body, bytes) => {
      assert.deepEqual(scanned(bytesOf(body), bytes), parsed(bytesOf(body)), body);
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("JsonScanner takes no bytes for text that are none", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), step, (bytes, length) => {
      const body = new Uint8Array([0x22, ...bytes, 0x22]);
      assert.deepEqual(scanned(body, length), parsed(body));
    }),
    { numRuns: 5000 },
  );
});

Deno.test("JSON is nested at most 1,000 deep, in arrays, in objects and in messages", async () => {
  const nested = (depth: number, open: string, close: string) =>
    bytesOf(open.repeat(depth) + "1" + close.repeat(depth));
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
    const deepest = nested(1000, open, close);
    assert.equal(flattenJson(deepest).messages, 1);
    for (const tooDeep of [nested(1001, open, close), nested(1_000_000, open, close)]) {
      assert.throws(() => flattenJson(tooDeep), JsonTooDeep);
      await assert.rejects(flattenJsonInTurns(tooDeep), JsonTooDeep);
    }
  }
  const side = "[" + "[[]],".repeat(5000) + "[]]";
  assert.equal(flattenJson(bytesOf(side)).messages, 5001);
});

Deno.test("flattenJsonInTurns stores the same and lets others have their turn", async () => {
  const items = Array.from(
    { length: 100_000 },
    (_, at) => ({ at, text: "é\u001e".repeat(at % 9) }),
  );
  const body = bytesOf(JSON.stringify(items, null, 1));
  let turns = 0;
  let over = false;
  const count = () => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  const { bytes, messages } = await flattenJsonInTurns(body);
  over = true;
  assert.equal(messages, items.length);
  assert.deepEqual(bytes, flattenJson(body).bytes);
  assert.ok(turns >= 3, `${turns} turns for ${body.length} bytes`);
});
