/** `?tail=` and `?before=&limit=` (docs/extensions.md) against reads of the whole stream. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { append, createStream, readAll } from "../support/http.ts";
import { assertBytes, expectError, nextOffset, noise, serverForThisFile } from "./support.ts";

const SERVERS = {
  "deno, postgres": serverForThisFile("postgres"),
  "bun, embedded": serverForThisFile("embedded", { runtime: "bun" }),
};

const JSON_TYPE = { contentType: "application/json" };

async function read(url: string): Promise<{ bytes: Uint8Array; response: Response }> {
  const response = await fetch(url);
  const bytes = new Uint8Array(await response.arrayBuffer());
  assert.equal(response.status, 200, new TextDecoder().decode(bytes.subarray(0, 300)));
  return { bytes, response };
}

/** All of a stream, backwards: the pages in the order of the stream. */
async function readAllBackwards(url: string, first: number, limit: number): Promise<Uint8Array[]> {
  const pages: Uint8Array[] = [];
  let { bytes, response } = await read(`${url}?tail=${first}`);
  for (let end: string | null = null;;) {
    if (end !== null) assert.equal(nextOffset(response), end, "a page ends where it was asked to");
    pages.unshift(bytes);
    end = response.headers.get("stream-previous-offset");
    if (end === null) return pages;
    ({ bytes, response } = await read(`${url}?before=${end}&limit=${limit}`));
  }
}

const messagesOf = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as unknown[];

for (const [name, server] of Object.entries(SERVERS)) {
  Deno.test(`the last messages, and all of them backwards: ${name}`, async () => {
    const message = fc.oneof(
      { weight: 8, arbitrary: fc.string({ maxLength: 30 }) },
      { weight: 2, arbitrary: fc.integer({ min: 10_000, max: 40_000 }).map((n) => "x".repeat(n)) },
    );
    const appends = fc.array(fc.array(message, { minLength: 1, maxLength: 20 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        appends,
        appends,
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 30 }),
        async (before, after, first, limit) => {
          const source = await createStream(server.url, undefined, JSON_TYPE);
          for (const body of before) await append(source, JSON.stringify(body), JSON_TYPE);
          const url = await createStream(server.url, undefined, {
            ...JSON_TYPE,
            headers: { "stream-forked-from": new URL(source).pathname },
          });
          for (const body of after) await append(url, JSON.stringify(body), JSON_TYPE);
          for (
            const [stream, all] of [
              [source, before.flat()],
              [url, [...before, ...after].flat()],
            ] as const
          ) {
            const pages = (await readAllBackwards(stream, first, limit)).map(messagesOf);
            assert.deepEqual(pages.flat(), all);
            assert.deepEqual(pages.at(-1), all.slice(-first));
            for (const page of pages.slice(1, -1)) assert.equal(page.length, limit);
          }
        },
      ),
      { numRuns: 12 },
    );
  });

  Deno.test(`bytes backwards: ${name}`, async () => {
    const url = await createStream(server.url);
    const all = noise(300_000, 7);
    for (let at = 0; at < all.length; at += 60_000) {
      await append(url, all.subarray(at, at + 60_000));
    }
    for (const [first, limit] of [[1, 99_999], [100_000, 70_001], [1_000_000, 1]] as const) {
      const pages = await readAllBackwards(url, first, limit);
      const joined = new Uint8Array(
        await new Blob(pages as Uint8Array<ArrayBuffer>[]).arrayBuffer(),
      );
      assertBytes(joined, all);
      assert.equal(pages.at(-1)!.length, Math.min(first, all.length));
    }
  });

  Deno.test(`a message larger than a page comes whole, and pages stay bounded: ${name}`, async () => {
    const url = await createStream(server.url, undefined, JSON_TYPE);
    const large = "y".repeat(6 << 20);
    await append(url, JSON.stringify(["a", large, "b"]), JSON_TYPE);
    const last = await read(`${url}?tail=2`);
    const pages = await readAllBackwards(url, 5, 5);
    assert.deepEqual(pages.flatMap(messagesOf).map((text) => (text as string).length), [
      ...[1, large.length, 1],
    ]);
    assert.deepEqual(messagesOf(last.bytes), ["b"], "two would be more than a page");
  });

  Deno.test(`what follows a tail is followed from its offset: ${name}`, async () => {
    const url = await createStream(server.url, undefined, JSON_TYPE);
    assert.equal(
      (await read(`${url}?tail=3`)).response.headers.get("stream-previous-offset"),
      null,
    );
    const middle = await append(url, "[1,2]", JSON_TYPE);
    await append(url, "[3]", JSON_TYPE);
    const { bytes, response } = await read(`${url}?tail=2`);
    assert.deepEqual(messagesOf(bytes), [2, 3]);
    assert.equal(response.headers.get("stream-up-to-date"), "true");
    assert.equal(response.headers.get("cache-control"), "no-cache");
    const again = await fetch(`${url}?tail=2`, {
      headers: { "if-none-match": response.headers.get("etag")! },
    });
    assert.equal(again.status, 304);
    await again.body?.cancel();
    await append(url, "[4]", JSON_TYPE);
    assert.equal((await readAll(url, nextOffset(response))).text, "[4]");
    const earlier = await read(`${url}?before=${middle}&limit=9`);
    assert.deepEqual(messagesOf(earlier.bytes), [1, 2]);
    assert.equal(earlier.response.headers.get("stream-up-to-date"), null);
    assert.match(earlier.response.headers.get("cache-control")!, /max-age=60/);
    await fetch(url, { method: "POST", headers: { "stream-closed": "true" } });
    const closed = await read(`${url}?tail=1`);
    assert.equal(closed.response.headers.get("stream-closed"), "true");
  });

  Deno.test(`bad input is refused: ${name}`, async () => {
    const url = await createStream(server.url, undefined, JSON_TYPE);
    const end = await append(url, '["abc"]', JSON_TYPE);
    const code = async (query: string, status = 400) =>
      await expectError(await fetch(`${url}?${query}`), status);
    for (
      const query of ["tail=0", "tail=", "tail=-1", "tail=1e3", "tail=1&offset=-1", "tail=1&tail=2"]
    ) {
      assert.equal(await code(query), "INVALID_TAIL", query);
    }
    for (const query of ["before=-1", `before=${end}&limit=0`, `before=${end}&limit=1&live=sse`]) {
      assert.equal(await code(query), "INVALID_BEFORE", query);
    }
    assert.equal(await code("before=x&limit=1"), "INVALID_OFFSET");
    const moved = (by: number) =>
      String(Number(end.slice(0, 16)) + by).padStart(16, "0") + end.slice(16);
    assert.equal(await code(`before=${moved(1)}&limit=1`), "OFFSET_BEYOND_TAIL");
    assert.equal(await code(`before=${moved(-1)}&limit=1`), "OFFSET_INSIDE_MESSAGE");
    const other = `${end.slice(0, 17)}0000000009999000`;
    assert.equal(await code(`before=${other}&limit=1`, 410), "OFFSET_OF_ANOTHER_STREAM");
  });
}
