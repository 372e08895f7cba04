/** What was appended is what is read: byte for byte, from any offset, page by page. */
import { copyTogether } from "../../src/lib/bytes.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { append, createStream, readAll } from "../support/http.ts";
import {
  assertBytes,
  expectError,
  expectStatus,
  nextOffset,
  noise,
  serverForThisFile,
  withServer,
} from "./support.ts";

const node = serverForThisFile();
const PAGE = 4 << 20;
const binary = { contentType: "application/octet-stream" };

Deno.test("any appends read back as their concatenation, from every offset given out", async () => {
  const body = fc.oneof(
    { weight: 6, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 300 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 200_000 }).map((n) => noise(n, n)) },
  );
  const types = fc.constantFrom("application/octet-stream", "text/plain", "application/ndjson");
  await fc.assert(
    fc.asyncProperty(
      types,
      fc.option(body, { nil: undefined }),
      fc.array(body, { maxLength: 12 }),
      fc.boolean(),
      async (contentType, initial, bodies, closes) => {
        const options = initial === undefined ? {} : { body: initial as BodyInit };
        const url = await createStream(node.url, undefined, { contentType, ...options });
        const known: [offset: string, position: number][] = [["-1", 0]];
        let position = initial?.length ?? 0;
        for (const bytes of bodies) {
          const offset = await append(url, bytes as BodyInit, { contentType });
          position += bytes.length;
          known.push([offset, position]);
        }
        if (closes) await append(url, "", { headers: { "stream-closed": "true" } });
        const whole = copyTogether(initial === undefined ? bodies : [initial, ...bodies]);
        for (const [offset, from] of known) {
          const read = await readAll(url, offset);
          assertBytes(read.bytes, whole.subarray(from), `from ${offset}`);
          assert.equal(read.closed, closes);
          if (known.length > 1) assert.equal(read.nextOffset, known.at(-1)![0]);
        }
        const offsets = known.slice(1).map(([offset]) => offset);
        assert.deepEqual(offsets.toSorted(), offsets, "offsets sort as text");
        assert.equal(new Set(offsets).size, offsets.length, "no offset is given twice");
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("appends that arrive together are all there, each whole, in the order of their offsets", async () => {
  const url = await createStream(node.url, undefined, binary);
  const bodies = Array.from({ length: 200 }, (_, at) => noise(1 + (at * 37) % 700, at + 1));
  const placed = await Promise.all(bodies.map(async (bytes) => {
    return { end: await append(url, bytes, binary), bytes };
  }));
  assert.equal(new Set(placed.map(({ end }) => end)).size, bodies.length);
  placed.sort((a, b) => a.end < b.end ? -1 : 1);
  assertBytes((await readAll(url)).bytes, copyTogether(placed.map(({ bytes }) => bytes)));
});

Deno.test("a page is bounded, and only the last one says Stream-Up-To-Date and Stream-Closed", async () => {
  const whole = noise(2 * PAGE + 12_345, 7);
  const url = await createStream(node.url, undefined, binary);
  for (let from = 0; from < whole.length; from += 3 << 20) {
    await append(url, whole.slice(from, from + (3 << 20)), binary);
  }
  await append(url, "", { headers: { "stream-closed": "true" } });
  const pages: Uint8Array[] = [];
  for (let offset = "-1", last = false; !last;) {
    const response = await fetch(`${url}?offset=${offset}`);
    assert.equal(response.status, 200);
    offset = nextOffset(response);
    pages.push(new Uint8Array(await response.arrayBuffer()));
    assert.ok(pages.at(-1)!.length > 0 && pages.at(-1)!.length <= PAGE);
    assert.ok(response.headers.get("etag"));
    last = response.headers.get("stream-up-to-date") === "true";
    assert.equal(response.headers.get("stream-closed"), last ? "true" : null);
  }
  assert.ok(pages.length >= 3);
  assertBytes(copyTogether(pages), whole);
});

Deno.test("a node with nothing in memory reads the same from Postgres, from every offset", async () => {
  const url = await createStream(node.url, undefined, binary);
  const expected: Uint8Array[] = [];
  const ends: string[] = [];
  for (let at = 0; at < 400; at++) {
    // One after another: together they would become one segment.
    expected.push(noise(1 + at % 9, at + 1));
    ends.push(await append(url, expected[at]! as BodyInit, binary));
  }
  await withServer({ database: { url: node.databaseUrl } }, async (other) => {
    const there = other.url + new URL(url).pathname;
    // Backwards: every read begins before what the ones before it have loaded.
    for (let at = ends.length - 1; at >= 0; at -= 7) {
      const { bytes } = await readAll(there, ends[at]);
      assertBytes(bytes, copyTogether(expected.slice(at + 1)), `after append ${at}`);
    }
    assertBytes((await readAll(there)).bytes, copyTogether(expected));
  });
});

Deno.test("offset=now answers the tail, no bytes, and nothing a cache may keep", async () => {
  for (const [contentType, empty] of [["text/plain", ""], ["application/json", "[]"]] as const) {
    const url = await createStream(node.url, undefined, { contentType });
    const tail = await append(url, "123", { contentType });
    const response = await fetch(`${url}?offset=now`);
    assert.equal(nextOffset(response), tail);
    assert.equal(response.headers.get("stream-up-to-date"), "true");
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(response.headers.get("etag"), null);
    assert.equal(await expectStatus(response, 200), empty);
    await append(url, "456", { contentType });
    const rest = (await readAll(url, tail)).text;
    assert.equal(rest, contentType === "text/plain" ? "456" : "[456]");
    await append(url, "", { headers: { "stream-closed": "true" } });
    const closed = await fetch(`${url}?offset=now`);
    assert.equal(closed.headers.get("stream-closed"), "true");
    assert.equal(await expectStatus(closed, 200), empty);
  }
});

Deno.test("If-None-Match gets 304 until something changes, and closing changes the ETag", async () => {
  const url = await createStream(node.url);
  const tail = await append(url, "hello");
  const read = async (offset: string, match?: string) => {
    const headers: HeadersInit = match === undefined ? {} : { "if-none-match": match };
    const response = await fetch(`${url}?offset=${offset}`, { headers });
    const text = await expectStatus(response, match === undefined ? 200 : response.status);
    return { status: response.status, etag: response.headers.get("etag")!, text };
  };
  const first = await read("-1");
  assert.match(first.etag, /^"[^"]+"$/);
  for (const match of [first.etag, `W/${first.etag}`, `"x", ${first.etag}`, "*"]) {
    const again = await read("-1", match);
    assert.deepEqual(again, { status: 304, etag: first.etag, text: "" });
  }
  const atTail = await read(tail);
  assert.notEqual(atTail.etag, first.etag);
  assert.equal((await read("-1", atTail.etag)).status, 200);

  await append(url, "", { headers: { "stream-closed": "true" } });
  for (const [offset, before] of [["-1", first], [tail, atTail]] as const) {
    const after = await read(offset, before.etag);
    assert.equal(after.status, 200, "a reader with the old ETag has to learn of the closure");
    assert.notEqual(after.etag, before.etag);
    assert.equal((await read(offset, after.etag)).status, 304);
  }
});

Deno.test("an ETag does not outlive its stream: a new one at the same path has others", async () => {
  const url = await createStream(node.url, undefined, { body: "one" });
  const before = (await fetch(url)).headers.get("etag")!;
  await expectStatus(await fetch(url, { method: "DELETE" }), 204);
  await expectError(await fetch(url), 404);
  await createStream(node.url, new URL(url).pathname.slice("/v1/stream/".length), { body: "two" });
  const response = await fetch(url, { headers: { "if-none-match": before } });
  assert.equal(await expectStatus(response, 200), "two");
});

Deno.test("Stream-Closed counts in any case, and nothing but true counts", async () => {
  for (const value of ["TRUE", "True", "tRuE"]) {
    const url = await createStream(node.url);
    await append(url, "last", { headers: { "stream-closed": value } });
    assert.equal((await readAll(url)).closed, true, value);
  }
  for (const value of ["false", "yes", "1", ""]) {
    const url = await createStream(node.url);
    await append(url, "not last", { headers: { "stream-closed": value } });
    assert.equal((await readAll(url)).closed, false, value);
  }
});
