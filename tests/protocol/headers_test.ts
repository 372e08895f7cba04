/** How header values are read: what passes, and what hostile or careless clients send. */
import type { Result } from "../../src/errors.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import * as header from "../../src/protocol/headers.ts";
import { encodeOffset } from "../../src/protocol/offset.ts";

const MOST = Number.MAX_SAFE_INTEGER;

/** The code of the refusal; a test that meets a value instead fails. */
function refusedAs(result: Result<unknown>): string {
  assert.ok("refusal" in result, `taken: ${JSON.stringify(result)}`);
  assert.ok(result.refusal.kind === "invalid");
  return result.refusal.code;
}

function valueOf<T>(result: Result<T>): T {
  assert.ok("value" in result, `refused: ${JSON.stringify(result)}`);
  return result.value;
}

Deno.test("parseTtl takes whole seconds as section 5.1 writes them", () => {
  assert.equal(valueOf(header.parseTtl(null)), null);
  for (const [text, seconds] of [["0", 0], ["1", 1], ["3600", 3600], ["3155760000", 3155760000]]) {
    assert.equal(valueOf(header.parseTtl(String(text))), seconds);
  }
  fc.assert(fc.property(fc.integer({ min: 0, max: 3155760000 }), (seconds) => {
    assert.equal(valueOf(header.parseTtl(String(seconds))), seconds);
  }));
});

Deno.test("parseTtl refuses every other way to write a number, and centuries", () => {
  for (
    const text of [
      "",
      " ",
      "+5",
      "-1",
      "-0",
      "05",
      "00",
      "1e3",
      "1.0",
      ".5",
      "5.",
      "0x10",
      "1_000",
      " 5",
      "5 ",
      "5s",
      "5, 6",
      "٥",
      "NaN",
      "Infinity",
      "3155760001",
      "9007199254740993",
      "9".repeat(17),
      "9".repeat(400),
    ]
  ) assert.equal(refusedAs(header.parseTtl(text)), "INVALID_TTL", text);
});

Deno.test("parseExpiresAt takes RFC 3339 timestamps", () => {
  assert.equal(valueOf(header.parseExpiresAt(null)), null);
  const noon = Date.UTC(2030, 1, 28, 12);
  for (
    const [text, milliseconds] of [
      ["2030-02-28T12:00:00Z", noon],
      ["2030-02-28t12:00:00z", noon],
      ["2030-02-28T12:00:00.000Z", noon],
      ["2030-02-28T12:00:00.5Z", noon + 500],
      ["2030-02-28T12:00:00.123456789Z", noon + 123],
      ["2030-02-28T12:00:00+00:00", noon],
      ["2030-02-28T12:00:00-00:00", noon],
      ["2030-02-28T14:30:00+02:30", noon],
      ["2030-02-28T00:00:00-12:00", noon],
      ["2032-02-29T00:00:00Z", Date.UTC(2032, 1, 29)],
      ["1970-01-01T00:00:00Z", 0],
      ["2030-12-31T23:59:59Z", Date.UTC(2030, 11, 31, 23, 59, 59)],
    ] as const
  ) assert.equal(valueOf(header.parseExpiresAt(text)), milliseconds, text);
});

Deno.test("parseExpiresAt reads back every time that toISOString writes", () => {
  const time = fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true });
  fc.assert(fc.property(time, (date) => {
    assert.equal(valueOf(header.parseExpiresAt(date.toISOString())), date.getTime());
  }));
});

Deno.test("parseExpiresAt refuses what is no RFC 3339 timestamp", () => {
  for (
    const text of [
      "",
      "tomorrow",
      "2030-02-28",
      "2030-02-28T12:00Z",
      "2030-02-28T12:00:00",
      "2030-02-28 12:00:00Z",
      "2030-02-28T12:00:00.Z",
      "2030-02-28T12:00:00+0200",
      "2030-02-28T12:00:00+02",
      "2030-02-28T12:00:00+24:00",
      "2030-02-28T12:00:00+02:60",
      "2030-00-28T12:00:00Z",
      "2030-13-28T12:00:00Z",
      "2030-02-00T12:00:00Z",
      "2030-01-32T12:00:00Z",
      "2030-02-28T24:00:00Z",
      "2030-02-28T12:60:00Z",
      "2030-02-28T12:00:61Z",
      "30-02-28T12:00:00Z",
      "+002030-02-28T12:00:00Z",
      "-002030-02-28T12:00:00Z",
      " 2030-02-28T12:00:00Z",
      "2030-02-28T12:00:00Z ",
      "2030-02-28T12:00:00Z, 2031-02-28T12:00:00Z",
      "Thu, 28 Feb 2030 12:00:00 GMT",
      "1900000000",
    ]
  ) assert.equal(refusedAs(header.parseExpiresAt(text)), "INVALID_EXPIRES_AT", text);
});

// Date.parse rolls 30 February over into March, on V8 and on JavaScriptCore.
Deno.test("parseExpiresAt refuses days that the month does not have (RFC 3339, 5.7)", () => {
  for (const date of ["2030-02-29", "2032-02-30", "2030-02-31", "2030-04-31", "2030-11-31"]) {
    assert.equal(refusedAs(header.parseExpiresAt(`${date}T00:00:00Z`)), "INVALID_EXPIRES_AT", date);
  }
});

Deno.test("parseContentType takes media types, and nothing for none", () => {
  for (const text of [null, "", "  "]) assert.equal(valueOf(header.parseContentType(text)), null);
  const json = "application/json; charset=utf-8";
  assert.equal(valueOf(header.parseContentType(`${json} `)), json);
  for (
    const text of ["text", "text/", "/plain", "text/plain, text/html", "text/plain\n", "a b/c"]
  ) {
    assert.equal(refusedAs(header.parseContentType(text)), "INVALID_CONTENT_TYPE", text);
  }
});

Deno.test("parseClosed closes for true, and ignores everything else", () => {
  assert.equal(header.parseClosed("true"), true);
  for (const text of [null, "", "false", "yes", "1", "truey", "true, true"]) {
    assert.equal(header.parseClosed(text), false, String(text));
  }
});

Deno.test("parseClosed compares case-insensitively, as section 4.1 demands", () => {
  for (const text of ["TRUE", "True", "tRuE"]) assert.equal(header.parseClosed(text), true, text);
});

Deno.test("parseStreamSeq takes an opaque token of at most 512 characters", () => {
  assert.equal(valueOf(header.parseStreamSeq(null)), null);
  for (const text of ["0", "a b", "é", "x".repeat(512)]) {
    assert.equal(valueOf(header.parseStreamSeq(text)), text);
  }
  for (const text of ["", "x".repeat(513), "a\0", "a\tb", "a\nb", "\x7f"]) {
    assert.equal(refusedAs(header.parseStreamSeq(text)), "INVALID_STREAM_SEQ", text);
  }
});

Deno.test("parseProducer takes all three headers or none", () => {
  assert.equal(valueOf(header.parseProducer(null, null, null)), null);
  assert.deepEqual(valueOf(header.parseProducer("p", "0", "7")), { id: "p", epoch: 0, seq: 7 });
  const most = String(MOST);
  assert.deepEqual(valueOf(header.parseProducer("p", most, most)), {
    id: "p",
    epoch: MOST,
    seq: MOST,
  });
  const incomplete: [string | null, string | null, string | null][] = [
    ["p", null, null],
    [null, "0", null],
    [null, null, "0"],
    ["p", "0", null],
    ["p", null, "0"],
    [null, "0", "0"],
  ];
  for (const triple of incomplete) {
    assert.equal(refusedAs(header.parseProducer(...triple)), "INCOMPLETE_PRODUCER");
  }
});

Deno.test("parseProducer refuses an empty or overlong id, and numbers beyond 2^53-1", () => {
  for (const id of ["", "x".repeat(513), "a\0b", "a\r\nb"]) {
    assert.equal(refusedAs(header.parseProducer(id, "0", "0")), "INVALID_PRODUCER_ID");
  }
  for (
    const text of [
      "",
      " ",
      "-1",
      "+1",
      "1.0",
      "1e3",
      "0x1",
      " 1",
      "1 ",
      "1, 1",
      "one",
      "NaN",
      "9007199254740992",
      "9007199254740993",
      "9".repeat(16),
      "1" + "0".repeat(16),
    ]
  ) {
    assert.equal(refusedAs(header.parseProducer("p", text, "0")), "INVALID_PRODUCER", text);
    assert.equal(refusedAs(header.parseProducer("p", "0", text)), "INVALID_PRODUCER", text);
  }
});

Deno.test("parseForkOffset takes an offset, a sentinel, or nothing for the tail", () => {
  assert.equal(valueOf(header.parseForkOffset(null)), null);
  assert.equal(valueOf(header.parseForkOffset("now")), null);
  const at = { position: 42, generation: 3 };
  assert.deepEqual(valueOf(header.parseForkOffset("-1")), { position: 0, generation: 0 });
  assert.deepEqual(valueOf(header.parseForkOffset(encodeOffset(at))), at);
  for (
    const text of [
      "",
      "42",
      "NOW",
      "-2",
      "0_0",
      encodeOffset(at) + "0",
      " now",
    ]
  ) {
    assert.equal(refusedAs(header.parseForkOffset(text)), "INVALID_FORK_OFFSET", text);
  }
});

Deno.test("parseForkSubOffset takes a whole number, 0 when it is not said", () => {
  for (const [text, value] of [[null, 0], ["0", 0], ["7", 7], [String(MOST), MOST]] as const) {
    assert.equal(valueOf(header.parseForkSubOffset(text)), value);
  }
  for (
    const text of [
      "",
      "-1",
      "-0",
      "+1",
      "01",
      "1.0",
      "1e3",
      "0x1",
      " 1",
      "1,2",
      "now",
      "9007199254740992",
      "9".repeat(30),
    ]
  ) assert.equal(refusedAs(header.parseForkSubOffset(text)), "INVALID_FORK_SUB_OFFSET", text);
});

Deno.test("browsers may send every request header and read every response header", () => {
  const sent = [
    "Content-Type",
    "If-None-Match",
    "Stream-Seq",
    "Stream-TTL",
    "Stream-Expires-At",
    "Stream-Closed",
    "Stream-Forked-From",
    "Stream-Fork-Offset",
    "Stream-Fork-Sub-Offset",
    "Producer-Id",
    "Producer-Epoch",
    "Producer-Seq",
  ];
  const read = [
    "Stream-Next-Offset",
    "Stream-Up-To-Date",
    "Stream-Closed",
    "Stream-Cursor",
    "Stream-TTL",
    "Stream-Expires-At",
    "Producer-Epoch",
    "Producer-Seq",
    "Producer-Expected-Seq",
    "Producer-Received-Seq",
    "stream-sse-data-encoding",
    "ETag",
    "Location",
  ];
  for (const name of sent) assert.ok(header.REQUEST_HEADERS.includes(name), name);
  for (const name of read) assert.ok(header.RESPONSE_HEADERS.includes(name), name);
});
