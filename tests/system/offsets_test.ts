/** Offsets at the socket (section 8): whose they are, what clients do to them, and the tail. */
import assert from "node:assert/strict";
import { append, createStream, readAll, serverSentEvents } from "../support/http.ts";
import { type Runtime, startServer } from "../support/server.ts";
import { assertErrorBody, expectError, expectStatus, freshStorage, nextOffset } from "./support.ts";

const ZERO = "0000000000000000_0000000000000000";

for (const runtime of ["deno", "bun"] as const satisfies readonly Runtime[]) {
  Deno.test(`offsets on ${runtime}`, async (t) => {
    const storage = await freshStorage("postgres");
    const server = await startServer({
      runtime,
      database: storage.database,
      args: ["--long-poll-timeout", "300ms"],
    });
    const base = server.url;
    const get = (url: string, query: string) => fetch(`${url}?${query}`);
    try {
      await t.step("an offset of a deleted stream is refused in every mode", async () => {
        const url = await createStream(base, "again");
        const old = await append(url, "the first");
        const tail = await append(url, " and more");
        await expectStatus(await fetch(url, { method: "DELETE" }), 204);
        await createStream(base, "again", { body: "another stream, which is longer" });
        for (const offset of [old, tail]) {
          for (const mode of ["", "&live=long-poll", "&live=sse"]) {
            const response = await get(url, `offset=${offset}${mode}`);
            assert.equal(await expectError(response, 410), "OFFSET_OF_ANOTHER_STREAM");
          }
          const fork = await fetch(`${base}/v1/stream/fork-of-again`, {
            method: "PUT",
            headers: { "stream-forked-from": "/v1/stream/again", "stream-fork-offset": offset },
          });
          assert.equal(await expectError(fork, 410), "OFFSET_OF_ANOTHER_STREAM");
        }
        for (const start of ["-1", ZERO, "0000000000000000_0000000000000001"]) {
          const text = await expectStatus(await get(url, `offset=${start}`), 200);
          assert.equal(text, "another stream, which is longer");
        }
      });

      await t.step(
        "a fork has its source's offsets up to the fork, and its own beyond",
        async () => {
          const source = await createStream(base, "source");
          const first = await append(source, "0123456789");
          const second = await append(source, "abc");
          const fork = await createStream(base, "fork", {
            headers: { "stream-forked-from": "/v1/stream/source", "stream-fork-offset": first },
          });
          assert.equal(nextOffset(await fetch(fork, { method: "HEAD" })), first);
          const own = await append(fork, "xyz");
          const grandchild = await createStream(base, "grandchild", {
            headers: { "stream-forked-from": "/v1/stream/fork" },
          });
          assert.equal(nextOffset(await fetch(grandchild, { method: "HEAD" })), own);
          const reads: [string, string, string][] = [
            [source, first, "abc"],
            [fork, first, "xyz"],
            [grandchild, first, "xyz"],
            [grandchild, own, ""],
            [source, second, ""],
          ];
          for (const [url, offset, expected] of reads) {
            const response = await get(url, `offset=${offset}`);
            assert.equal(await expectStatus(response, 200), expected, `${url} ${offset}`);
          }
          // Beyond the fork each has its own bytes: another's offsets would be in the middle of them.
          for (
            const [url, offset] of [[source, own], [fork, second], [grandchild, second]] as const
          ) {
            const code = await expectError(await get(url, `offset=${offset}`), 410);
            assert.equal(code, "OFFSET_OF_ANOTHER_STREAM");
          }
          // The same fork again, by the same offset, is the same fork.
          const again = await fetch(fork, {
            method: "PUT",
            headers: {
              "content-type": "text/plain",
              "stream-forked-from": "/v1/stream/source",
              "stream-fork-offset": first,
            },
          });
          await expectStatus(again, 200);
          // A fork that is made anew has other offsets beyond the fork.
          await expectStatus(await fetch(grandchild, { method: "DELETE" }), 204);
          await expectStatus(await fetch(fork, { method: "DELETE" }), 204);
          await createStream(base, "fork", {
            headers: { "stream-forked-from": "/v1/stream/source", "stream-fork-offset": first },
          });
          await append(fork, "XYZ and more");
          assert.equal(
            await expectError(await get(fork, `offset=${own}`), 410),
            "OFFSET_OF_ANOTHER_STREAM",
          );
          assert.equal(await expectStatus(await get(fork, `offset=${first}`), 200), "XYZ and more");
        },
      );

      await t.step("a closed fork names its end as its source does", async () => {
        const source = await createStream(base, "source-2", { body: "0123" });
        const end = nextOffset(await fetch(source, { method: "HEAD" }));
        const fork = await createStream(base, "fork-2", {
          headers: { "stream-forked-from": "/v1/stream/source-2" },
        });
        const closing = { method: "POST", headers: { "stream-closed": "true" } };
        for (const _ of [1, 2]) {
          const closed = await fetch(fork, closing);
          assert.equal(nextOffset(closed), end);
          await expectStatus(closed, 204);
        }
        const late = await fetch(fork, {
          method: "POST",
          headers: { "content-type": "text/plain" },
          body: "late",
        });
        assert.equal(nextOffset(late), end);
        await expectError(late, 409);
        for (const mode of ["", "&live=long-poll"]) {
          assert.equal(nextOffset(await get(fork, `offset=now${mode}`)), end);
        }
        for await (
          const { event, data } of serverSentEvents(await get(fork, "offset=-1&live=sse"))
        ) {
          if (event === "control") assert.equal(JSON.parse(data).streamNextOffset, end);
        }
      });

      await t.step("the last three digits of an offset may change on their way", async () => {
        const url = await createStream(base, "slack");
        const first = await append(url, "0123");
        await append(url, "456");
        assert.match(first, /^[0-9]{16}_[0-9]{13}000$/);
        for (const slack of ["001", "999"]) {
          const changed = first.slice(0, -3) + slack;
          assert.ok(changed > first);
          assert.equal(await expectStatus(await get(url, `offset=${changed}`), 200), "456");
        }
        assert.equal((await readAll(url, first)).text, "456");
      });

      await t.step(
        "an offset beyond the tail is refused, as the database lost what it meant",
        async () => {
          const url = await createStream(base, "ahead");
          const tail = await append(url, "0123");
          const ahead = `0000000000000099${tail.slice(16)}`;
          for (const mode of ["", "&live=long-poll", "&live=sse"]) {
            const response = await get(url, `offset=${ahead}${mode}`);
            assert.equal(await expectError(response, 400), "OFFSET_BEYOND_TAIL");
          }
          const at = await get(url, `offset=${tail}`);
          assert.equal(nextOffset(at), tail);
          assert.equal(await expectStatus(at, 200), "");
        },
      );

      await t.step("a fenced producer learns of the end of a closed stream", async () => {
        const url = await createStream(base, "fenced");
        const producer = (epoch: number, seq: number, more: Record<string, string> = {}) => ({
          "content-type": "text/plain",
          "producer-id": "p",
          "producer-epoch": String(epoch),
          "producer-seq": String(seq),
          ...more,
        });
        await append(url, "a", { headers: producer(1, 0) });
        const open = await fetch(url, { method: "POST", headers: producer(0, 1), body: "b" });
        assert.equal(open.headers.get("stream-closed"), null);
        assert.equal(await expectError(open, 403), "STALE_EPOCH");
        const end = await append(url, "c", {
          headers: producer(1, 1, { "stream-closed": "true" }),
        });
        const closed = await fetch(url, { method: "POST", headers: producer(0, 1), body: "b" });
        assert.equal(closed.headers.get("stream-closed"), "true");
        assert.equal(closed.headers.get("producer-epoch"), "1");
        assert.equal(nextOffset(closed), end);
        assert.equal(await expectError(closed, 403), "STALE_EPOCH");
      });

      await t.step("a close that repeats the number of an append is refused", async () => {
        const url = await createStream(base, "repeated-close");
        const headers = {
          "content-type": "text/plain",
          "producer-id": "p",
          "producer-epoch": "0",
          "producer-seq": "0",
        };
        await append(url, "a", { headers });
        for (const body of ["", "b"]) {
          const response = await fetch(url, {
            method: "POST",
            headers: { ...headers, "stream-closed": "true" },
            body,
          });
          const text = await response.text();
          assert.equal(response.status, 409, text);
          assert.equal(response.headers.get("producer-expected-seq"), "1");
          assert.equal(response.headers.get("producer-received-seq"), "0");
          assert.equal(response.headers.get("stream-closed"), null);
          assert.equal(assertErrorBody(response.headers, text), "SEQUENCE_REUSED");
        }
        assert.equal((await readAll(url)).closed, false);
        const closing = { ...headers, "producer-seq": "1", "stream-closed": "true" };
        for (const _ of [1, 2]) {
          const response = await fetch(url, { method: "POST", headers: closing });
          assert.equal(response.headers.get("stream-closed"), "true");
          await expectStatus(response, 204);
        }
      });
    } finally {
      await server.kill();
      await storage.remove();
    }
  });
}
