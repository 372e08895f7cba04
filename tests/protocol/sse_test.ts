import assert from "node:assert/strict";
// deno-lint-ignore no-import-prefix
import fc from "npm:fast-check@4.10.2";
import { flattenJson } from "../../src/protocol/json_mode.ts";
import {
  encodeBase64Data,
  encodeControl,
  encodeEvents,
  encodeJsonData,
  encodeTextData,
  splitText,
} from "../../src/protocol/sse.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** The parser of the HTML standard, section 9.2.6, without `id` and `retry`. */
function parse(stream: string): { type: string; data: string }[] {
  const events: { type: string; data: string }[] = [];
  let type = "";
  let data: string[] = [];
  for (const line of stream.split(/\r\n|\r|\n/)) {
    if (line === "") {
      if (data.length > 0) events.push({ type: type || "message", data: data.join("\n") });
      type = "";
      data = [];
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") type = value;
    if (field === "data") data.push(value);
  }
  return events;
}

const carried = (text: string) => text.replace(/\r\n|\r/g, "\n");

const hostile = fc.array(
  fc.constantFrom(
    "\r",
    "\n",
    "\r\n",
    " ",
    ":",
    "data:",
    "event: control",
    "\0",
    "\ufeff",
    "\u2028",
    "é😀",
  ),
).map((parts) => parts.join(""));
const text = fc.oneof(hostile, fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }))
  // Decoded streams hold no lone surrogates, which encoding could not carry either.
  .map((value) => value.toWellFormed());

Deno.test("encodeTextData is one event with the text in it", () => {
  fc.assert(fc.property(text, (value) => {
    const stream = textOf(encodeEvents(encodeTextData(value)));
    assert.deepEqual(parse(stream), [{ type: "data", data: carried(value) }]);
    assert.ok(!stream.includes("\r"));
    assert.ok(stream.endsWith("\n\n"));
  }));
});

Deno.test("encodeTextData puts no space after the colon unless the line begins with one", () => {
  assert.equal(encodeTextData("line1\nline2"), "event: data\ndata:line1\ndata:line2\n\n");
  assert.equal(encodeTextData(" a\n  b"), "event: data\ndata:  a\ndata:   b\n\n");
});

Deno.test("encodeTextData lets no text make an event", () => {
  for (const end of ["\n", "\r", "\r\n"]) {
    const attack = ["start", "", "event: control", 'data: {"injected":true}', "", "end"].join(end);
    assert.deepEqual(parse(encodeTextData(attack)), [{ type: "data", data: carried(attack) }]);
  }
});

Deno.test("encodeBase64Data is one event with the bytes in it", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    const [event, ...more] = parse(encodeBase64Data(bytes));
    assert.equal(event?.type, "data");
    assert.deepEqual(more, []);
    assert.deepEqual(Uint8Array.fromBase64(event!.data), Uint8Array.from(bytes));
  }));
  assert.equal(encodeBase64Data(bytesOf("Hello")), "event: data\ndata:SGVsbG8=\n\n");
  assert.equal(encodeBase64Data(Uint8Array.of(0xfb, 0xff)), "event: data\ndata:+/8=\n\n");
});

Deno.test("encodeJsonData is one event with an array of the messages in it", () => {
  fc.assert(
    fc.property(fc.array(fc.json()), fc.constantFrom("\n", "\r", "\r\n", " "), (all, gap) => {
      const { bytes } = flattenJson(
        bytesOf(`[${all.map((one) => `{${gap}"m":${one}}`).join(",")}]`),
      );
      const data = encodeJsonData(bytes);
      const [event, ...more] = parse(data.event);
      assert.equal(data.messages, all.length);
      assert.equal(event?.type, "data");
      assert.deepEqual(more, []);
      assert.deepEqual(JSON.parse(event!.data), all.map((one) => ({ m: JSON.parse(one) })));
    }),
  );
});

function control(of: Parameters<typeof encodeControl>[0]): unknown {
  const events = parse(encodeControl(of));
  assert.equal(events.length, 1);
  assert.equal(events[0]!.type, "control");
  return JSON.parse(events[0]!.data);
}

Deno.test("encodeControl leaves out what is not so", () => {
  assert.equal(
    encodeControl({ streamNextOffset: "5", streamCursor: "9" }),
    'event: control\ndata:{"streamNextOffset":"5","streamCursor":"9"}\n\n',
  );
  const open = { streamNextOffset: "5", streamCursor: "9" };
  assert.deepEqual(control({ ...open, upToDate: true }), { ...open, upToDate: true });
  assert.deepEqual(control({ ...open, upToDate: false, streamClosed: false }), open);
});

Deno.test("encodeControl of a closed stream is up to date and has no cursor", () => {
  const closed = { streamNextOffset: "5", upToDate: true, streamClosed: true };
  assert.deepEqual(control({ streamNextOffset: "5", streamClosed: true }), closed);
  assert.deepEqual(control({ ...closed, streamCursor: "9", upToDate: false }), closed);
});

Deno.test("encodeEvents joins events in order", () => {
  const [data, end] = [encodeTextData("é"), encodeControl({ streamNextOffset: "5" })];
  assert.equal(textOf(encodeEvents(data, end)), data + end);
});

/** Sends `bytes` as a reader would that sees them arrive in runs of the given lengths. */
function follow(bytes: Uint8Array, runs: readonly number[]): string[] {
  const texts: string[] = [];
  let sent = 0;
  let arrived = 0;
  for (const run of [...runs, bytes.length]) {
    arrived = Math.min(bytes.length, arrived + run);
    const final = arrived === bytes.length;
    const { text, used } = splitText(bytes.subarray(sent, arrived), final);
    assert.ok(used === arrived - sent || !final && arrived - sent - used <= 3);
    sent += used;
    texts.push(text);
    if (final) break;
  }
  return texts;
}

const runs = fc.array(fc.nat(5), { maxLength: 60 });

Deno.test("splitText of a text in any runs is the text", () => {
  fc.assert(fc.property(text, runs, (value, lengths) => {
    const texts = follow(bytesOf(value), lengths);
    assert.equal(texts.join(""), value);
    const events = texts.map((piece) => encodeTextData(piece)).join("");
    assert.equal(parse(events).map((event) => event.data).join(""), carried(value));
  }));
});

Deno.test("splitText of any bytes in any runs is what they decode to", () => {
  const byte = fc.oneof(
    fc.nat(255),
    fc.constantFrom(0x0d, 0x0a, 0xc2, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xf5, 0x80, 0x8f, 0x9f, 0xbf),
  );
  fc.assert(
    fc.property(fc.array(byte), runs, (values, lengths) => {
      const bytes = Uint8Array.from(values);
      assert.equal(follow(bytes, lengths).join(""), textOf(bytes));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("splitText holds back exactly the beginning of something longer", () => {
  const whole = bytesOf("aé€😀");
  const lengths = Array.from(whole, (_, at) => splitText(whole.subarray(0, at + 1), false).used);
  assert.deepEqual(lengths, [1, 1, 3, 3, 3, 6, 6, 6, 6, 10]);
  const cases: [number[], number][] = [
    [[], 0],
    [[0x61, 0x0d], 1],
    [[0x0d, 0x0a], 2],
    [[0x0d, 0xe2], 1],
    [[0x80, 0x80, 0x80, 0x80], 4],
    [[0x61, 0xc0], 2],
    [[0x61, 0xe0, 0x80], 3],
    [[0x61, 0xe0, 0xa0], 1],
    [[0x61, 0xed, 0xa0], 3],
    [[0x61, 0xf0, 0x8f, 0x80], 4],
    [[0x61, 0xf4, 0x90], 3],
    [[0x61, 0xf4, 0x8f, 0xbf], 1],
    [[0x61, 0xf5, 0x80], 3],
    [[0x61, 0xff], 2],
  ];
  for (const [values, used] of cases) {
    assert.equal(splitText(Uint8Array.from(values), false).used, used, String(values));
    assert.equal(splitText(Uint8Array.from(values), true).used, values.length);
  }
});

Deno.test("splitText keeps byte order marks and replaces what is not UTF-8", () => {
  assert.equal(splitText(bytesOf("\ufeffa"), false).text, "\ufeffa");
  assert.equal(splitText(Uint8Array.of(0x61, 0xff, 0x62), false).text, "a\ufffdb");
  assert.equal(splitText(Uint8Array.of(0x61, 0xe2, 0x82), true).text, "a\ufffd");
});
