/** How bodies are stored: as which bytes, and in which segments. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MESSAGE_END } from "../../src/protocol/json_mode.ts";
import { sameContentType, segmentsOf, storedBody } from "../../src/streams/stored_body.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const SEGMENT = 1 << 20;

function assertCovers(segments: readonly { start: number; length: number }[], length: number) {
  let reach = 0;
  for (const segment of segments) {
    assert.equal(segment.start, reach);
    assert.ok(segment.length > 0);
    reach += segment.length;
  }
  assert.equal(reach, length);
}

Deno.test("segmentsOf makes no segment of nothing and one of little", () => {
  for (const contentType of ["text/plain", "application/json"]) {
    assert.deepEqual(segmentsOf(contentType, new Uint8Array(0), false), []);
    for (const closes of [false, true]) {
      for (const length of [1, SEGMENT]) {
        const segments = segmentsOf(contentType, new Uint8Array(length), closes);
        assert.deepEqual(segments, [{ start: 0, length, closes }]);
      }
    }
    const close = segmentsOf(contentType, new Uint8Array(0), true);
    assert.deepEqual(close, [{ start: 0, length: 0, closes: true }]);
  }
});

Deno.test("segmentsOf cuts bytes into full segments and a rest", () => {
  const length = fc.oneof(
    fc.integer({ min: 0, max: 5 * SEGMENT }),
    fc.constantFrom(SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 2 * SEGMENT + 1),
  );
  fc.assert(fc.property(length, (size) => {
    const segments = segmentsOf("application/octet-stream", new Uint8Array(size), size % 2 === 1);
    assertCovers(segments, size);
    assert.equal(
      segments.findIndex(({ closes }) => closes),
      size % 2 === 1 ? segments.length - 1 : -1,
    );
    assert.equal(segments.length, Math.ceil(size / SEGMENT));
    assert.ok(segments.every((segment) => segment.length <= SEGMENT));
  }));
});

Deno.test("segmentsOf cuts JSON between messages only", () => {
  const size = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 300_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: SEGMENT - 2, max: SEGMENT + 2 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 * SEGMENT }) },
  );
  fc.assert(
    fc.property(fc.array(size, { maxLength: 12 }), (sizes) => {
      const bytes = new Uint8Array(sizes.reduce((sum, n) => sum + n, 0)).fill(0x31);
      let end = 0;
      for (const n of sizes) bytes[(end += n) - 1] = MESSAGE_END;
      const segments = segmentsOf("application/json; charset=utf-8", bytes, false);
      assertCovers(segments, bytes.length);
      for (const { start, length } of segments) {
        assert.equal(bytes[start + length - 1], MESSAGE_END);
        // Larger than a segment is only a message that is so by itself.
        const oneMessage = bytes.indexOf(MESSAGE_END, start) === start + length - 1;
        assert.ok(length <= SEGMENT || oneMessage);
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("storedBody keeps a body that is not JSON as it is", () => {
  const body = bytesOf("{ not json");
  for (const contentType of ["text/plain", "application/x-ndjson", "application/ld+json"]) {
    assert.equal(storedBody(contentType, body, false), body);
  }
});

Deno.test("storedBody flattens JSON, and refuses what is none", () => {
  const type = "Application/JSON; charset=utf-8";
  assert.deepEqual(storedBody(type, bytesOf("[1.0, [2]]"), false), bytesOf("1.0\x1e[2]\x1e"));
  assert.deepEqual(storedBody(type, bytesOf("[ ]"), true), new Uint8Array(0));
  const codes = ["[ ]", "{", ""].map((text) => {
    const refused = storedBody(type, bytesOf(text), false);
    return !(refused instanceof Uint8Array) && refused.kind === "invalid" && refused.code;
  });
  assert.deepEqual(codes, ["EMPTY_ARRAY", "INVALID_JSON", "INVALID_JSON"]);
});

Deno.test("sameContentType compares media types only", () => {
  for (
    const [one, other, same] of [
      ["text/plain", "text/plain", true],
      ["text/plain", "TEXT/Plain", true],
      ["text/plain; charset=utf-8", "text/plain", true],
      ["text/plain;charset=utf-8", "text/plain ; charset=latin1", true],
      ["text/plain", "text/html", false],
      ["application/json", "application/ld+json", false],
      ["text/plain", "", false],
      ["text/plainer", "text/plain", false],
    ] as const
  ) {
    assert.equal(sameContentType(one, other), same, `${one} | ${other}`);
    assert.equal(sameContentType(other, one), same, `${other} | ${one}`);
  }
});
