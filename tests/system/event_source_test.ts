/** A browser's EventSource resumes exactly (section 5.8): at the socket, and in Chromium. */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import { startChromium } from "../support/programs/chromium.ts";
import { testWith } from "../support/programs/program.ts";
import { type Runtime, startServer } from "../support/server.ts";
import { expectError, expectStatus, freePort, freshStorage, nextOffset } from "./support.ts";

const RUNTIMES = ["deno", "bun"] as const satisfies readonly Runtime[];
const CLOSE = { headers: { "stream-closed": "true" } };

/** The text of an SSE response that ends by itself, or of its first events. */
async function textOf(response: Response, until: RegExp): Promise<string> {
  assert.equal(response.status, 200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!until.test(text)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return text;
}

for (const runtime of RUNTIMES) {
  Deno.test(`the ids of events on ${runtime}`, async (t) => {
    const storage = await freshStorage("postgres");
    const server = await startServer({ runtime, database: storage.database });
    const follow = (url: string, offset: string, id?: string) =>
      fetch(
        `${url}?offset=${offset}&live=sse`,
        id === undefined ? {} : {
          headers: { "last-event-id": id },
        },
      );
    try {
      await t.step("each data event has the offset after it for its id", async () => {
        const url = await createStream(server.url, "ids");
        const first = await append(url, "one");
        const text = await textOf(await follow(url, "-1"), /upToDate/);
        assert.ok(text.startsWith(`id:${first}\nevent: data\ndata:one\n\nevent: control\n`), text);
        const second = await append(url, "two");
        const resumed = await follow(url, "-1", first);
        assert.equal(resumed.headers.get("cache-control"), "no-store");
        const rest = await textOf(resumed, /upToDate/);
        assert.ok(rest.startsWith(`id:${second}\nevent: data\ndata:two\n\n`), rest);
        // Without data it is the control event that says where to read on.
        const at = await textOf(await follow(url, "now"), /upToDate/);
        assert.ok(at.startsWith(`id:${second}\nevent: control\n`), at);
        // A character that is not whole yet comes again, whole.
        await append(url, Uint8Array.of(0x78, 0xf0, 0x9f));
        const torn = await textOf(await follow(url, "-1", second), /upToDate/);
        const [, id] = /^id:(.*)\nevent: data\ndata:x\n\n/.exec(torn) ?? [];
        await append(url, Uint8Array.of(0x98, 0x80));
        const whole = await textOf(await follow(url, "-1", id), /upToDate/);
        assert.match(whole, /^id:.*\nevent: data\ndata:😀\n\n/);
      });

      await t.step("a reconnect at the end of a closed stream is told to stop", async () => {
        const url = await createStream(server.url, "closed", { body: "all" });
        await append(url, "", CLOSE);
        const text = await textOf(await follow(url, "-1"), /streamClosed/);
        const [, end] = /^id:(.*)\n/.exec(text) ?? [];
        const last = await follow(url, "-1", end);
        assert.equal(last.headers.get("stream-closed"), "true");
        assert.equal(nextOffset(last), end);
        assert.equal(await expectStatus(last, 204), "");
        // Who has not got everything gets the rest, and a first connection the closure.
        const start = "0000000000000000_0000000000000000";
        assert.match(await textOf(await follow(url, "-1", start), /streamClosed/), /data:all/);
        assert.match(await textOf(await follow(url, end!), /streamClosed/), /streamClosed/);
      });

      await t.step("an id of another stream, or none of ours, is refused", async () => {
        const url = await createStream(server.url, "new", { body: "a" });
        const old = nextOffset(await fetch(url, { method: "HEAD" }));
        await expectStatus(await fetch(url, { method: "DELETE" }), 204);
        await createStream(server.url, "new", { body: "bcd" });
        assert.equal(
          await expectError(await follow(url, "-1", old), 410),
          "OFFSET_OF_ANOTHER_STREAM",
        );
        for (const id of ["7", "now", "-1"]) {
          assert.equal(await expectError(await follow(url, "-1", id), 400), "INVALID_OFFSET");
        }
      });
    } finally {
      await server.kill();
      await storage.remove();
    }
  });

  testWith(["chromium"], `EventSource through a restart on ${runtime}`, async () => {
    const storage = await freshStorage("postgres");
    const args = ["--port", String(await freePort())];
    let server = await startServer({ runtime, database: storage.database, args });
    try {
      const url = await createStream(server.url, "es", { contentType: "application/json" });
      const say = (n: number) =>
        append(url, JSON.stringify({ n }), { contentType: "application/json" });
      await say(0);
      await say(1);
      await using chromium = await startChromium();
      const page = await chromium.openPage(`${server.url}/health`);
      await page.evaluate(`{
        window.seen = [];
        window.opened = 0;
        window.source = new EventSource("/v1/stream/es?offset=-1&live=sse");
        source.addEventListener("open", () => opened++);
        source.addEventListener("data", ({ data }) => {
          for (const { n } of JSON.parse(data)) seen.push(n);
        });
      }`);
      await page.waitFor("seen.length === 2");
      await say(2);
      await page.waitFor("seen.length === 3");
      await server.kill();
      server = await startServer({ runtime, database: storage.database, args });
      await say(3);
      await page.waitFor("seen.length >= 4");
      assert.deepEqual(await page.evaluate("seen"), [0, 1, 2, 3]);
      assert.equal(await page.evaluate("opened"), 2);
      // Closing ends the connection, and the browser does not come back a second time.
      await append(url, JSON.stringify({ n: 4 }), { contentType: "application/json", ...CLOSE });
      await page.waitFor("source.readyState === EventSource.CLOSED");
      assert.deepEqual(await page.evaluate("seen"), [0, 1, 2, 3, 4]);
      assert.equal(await page.evaluate("opened"), 2);
    } finally {
      await server.kill();
      await storage.remove();
    }
  });
}
