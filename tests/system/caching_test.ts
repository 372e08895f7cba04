/** What caches may keep (section 10.1): headers at the socket, in Chromium, and behind nginx. */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import { startChromium } from "../support/programs/chromium.ts";
import { startNginx } from "../support/programs/nginx.ts";
import { testWith } from "../support/programs/program.ts";
import { type RunningServer, type Runtime, startServer } from "../support/server.ts";
import { expectStatus, freshStorage, nextOffset } from "./support.ts";

const RUNTIMES = ["deno", "bun"] as const satisfies readonly Runtime[];
const LASTING = "public, max-age=60, stale-while-revalidate=300";
const FIVE_MIB = 5 << 20;

async function withServer(
  options: { readonly runtime: Runtime; readonly args?: readonly string[] },
  run: (server: RunningServer) => Promise<void>,
): Promise<void> {
  const storage = await freshStorage("postgres");
  const server = await startServer({
    runtime: options.runtime,
    database: storage.database,
    args: ["--long-poll-timeout", "500ms", ...options.args ?? []],
  });
  try {
    await run(server);
  } finally {
    await server.kill();
    await storage.remove();
  }
}

function large(base: string, path: string, headers: Record<string, string> = {}): Promise<string> {
  return createStream(base, path, {
    contentType: "application/octet-stream",
    headers,
    body: new Uint8Array(FIVE_MIB),
  });
}

const cacheControlOf = async (response: Response) => {
  await response.body?.cancel();
  return response.headers.get("cache-control");
};

for (const runtime of RUNTIMES) {
  Deno.test(`what Cache-Control says on ${runtime}`, async (t) => {
    await withServer({ runtime }, async ({ url: base }) => {
      await t.step("a page that reaches the tail is revalidated by its ETag", async () => {
        const url = await createStream(base, "tail", { body: "abc" });
        const first = await fetch(`${url}?offset=-1`);
        assert.equal(first.headers.get("cache-control"), "no-cache");
        const etag = first.headers.get("etag")!;
        assert.ok(etag);
        await first.body?.cancel();
        const again = await fetch(`${url}?offset=-1`, { headers: { "if-none-match": etag } });
        assert.equal(again.status, 304);
        assert.equal(await cacheControlOf(again), "no-cache");
        await append(url, "def");
        const changed = await fetch(`${url}?offset=-1`, { headers: { "if-none-match": etag } });
        assert.equal(await expectStatus(changed, 200), "abcdef");
      });

      await t.step("a full page may be kept, for no longer than the stream lives", async () => {
        const url = await large(base, "full");
        const page = await fetch(`${url}?offset=-1`);
        assert.equal(page.headers.get("stream-up-to-date"), null);
        assert.equal(await cacheControlOf(page), LASTING);
        const etag = page.headers.get("etag")!;
        const same = await fetch(`${url}?offset=-1`, { headers: { "if-none-match": etag } });
        assert.equal(same.status, 304);
        assert.equal(await cacheControlOf(same), LASTING);
        const rest = await fetch(`${url}?offset=${nextOffset(page)}`);
        assert.equal(await cacheControlOf(rest), "no-cache");

        const lives: [string, Record<string, string>, RegExp][] = [
          ["ttl-10", { "stream-ttl": "10" }, /^public, max-age=10$/],
          [
            "ttl-90",
            { "stream-ttl": "90" },
            /^public, max-age=60, stale-while-revalidate=30$/,
          ],
          [
            "expires",
            { "stream-expires-at": new Date(Date.now() + 20_000).toISOString() },
            /^public, max-age=(1[0-9]|20)$/,
          ],
        ];
        for (const [path, headers, expected] of lives) {
          const mortal = await large(base, path, headers);
          const value = await cacheControlOf(await fetch(`${mortal}?offset=-1`));
          assert.match(value ?? "", expected);
        }
      });

      await t.step("offset=now is nobody's but who asked, in every mode", async () => {
        const url = await createStream(base, "now", { body: "abc" });
        for (const mode of ["", "&live=long-poll", "&live=sse"]) {
          const waiting = fetch(`${url}?offset=now${mode}`);
          // A long-poll answers with data, which is what used to be cacheable, or with none.
          if (mode === "&live=long-poll") await append(url, "more");
          const response = await waiting;
          assert.equal(response.headers.get("etag"), null, mode);
          assert.equal(await cacheControlOf(response), "no-store", mode);
        }
      });

      await t.step("a long-poll is revalidated, or shared under its cursor", async () => {
        const url = await createStream(base, "poll", { body: "abc" });
        const first = await fetch(`${url}?offset=-1&live=long-poll`);
        assert.equal(await cacheControlOf(first), "no-cache");
        const etag = first.headers.get("etag")!;
        const same = await fetch(`${url}?offset=-1&live=long-poll`, {
          headers: { "if-none-match": etag },
        });
        assert.equal(same.status, 304);
        assert.ok(same.headers.get("stream-cursor"));
        const cursor = first.headers.get("stream-cursor")!;
        const shared = await fetch(`${url}?offset=-1&live=long-poll&cursor=${cursor}`);
        assert.equal(await cacheControlOf(shared), LASTING);
        const idle = await fetch(`${url}?offset=${nextOffset(first)}&live=long-poll`, {
          headers: { "if-none-match": etag },
        });
        assert.equal(idle.status, 204);
        assert.equal(await cacheControlOf(idle), "no-store");
      });
    });
  });

  Deno.test(`--cache-control on ${runtime}`, async () => {
    const expected = { private: [/^private, no-cache$/, /^private, max-age=60/], "no-store": [] };
    for (const [setting, [tail, full]] of Object.entries(expected)) {
      await withServer({ runtime, args: ["--cache-control", setting] }, async ({ url: base }) => {
        const url = await large(base, "s");
        const page = await fetch(`${url}?offset=-1`);
        assert.match(await cacheControlOf(page) ?? "", full ?? /^no-store$/);
        const end = await fetch(`${url}?offset=${nextOffset(page)}`);
        assert.match(await cacheControlOf(end) ?? "", tail ?? /^no-store$/);
      });
    }
  });

  testWith(["chromium"], `a browser's cache shows the truth on ${runtime}`, async () => {
    await withServer({ runtime }, async ({ url: base }) => {
      const url = await createStream(base, "page", { body: "a" });
      await using chromium = await startChromium();
      const page = await chromium.openPage(`${base}/health`);
      const read = (query: string) =>
        page.evaluate<{ status: number; text: string; closed: string | null }>(
          `fetch("/v1/stream/page?${query}").then(async (response) => ({
            status: response.status,
            text: await response.text(),
            closed: response.headers.get("stream-closed"),
          }))`,
        );
      const queries = ["offset=-1", "", "offset=-1&live=long-poll"];
      const expectAll = async (status: number, text: string, closed: string | null) => {
        for (const query of queries) {
          for (const _ of [1, 2]) {
            const seen = await read(query);
            assert.equal(seen.status, status, query);
            if (status === 200) assert.deepEqual(seen, { status, text, closed }, query);
          }
        }
      };
      await expectAll(200, "a", null);
      await append(url, "b");
      await expectAll(200, "ab", null);
      await append(url, "", { headers: { "stream-closed": "true" } });
      await expectAll(200, "ab", "true");
      await expectStatus(await fetch(url, { method: "DELETE" }), 204);
      await expectAll(404, "", null);
      await createStream(base, "page", { body: "new" });
      await expectAll(200, "new", null);
    });
  });

  testWith(["nginx"], `behind nginx's cache on ${runtime}`, async () => {
    await withServer({ runtime }, async (server) => {
      await using nginx = await startNginx({
        upstreamPort: Number(new URL(server.url).port),
        http: "proxy_cache_path {{folder}}/cache keys_zone=pages:1m;",
        server: `
          location / {
            proxy_pass http://127.0.0.1:{{upstreamPort}};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_cache pages;
            proxy_cache_lock on;
            proxy_cache_revalidate on;
            add_header X-Cache $upstream_cache_status always;
          }`,
      });
      const get = (path: string, query: string) => fetch(`${nginx.url}/v1/stream/${path}?${query}`);
      const url = await createStream(server.url, "s", { body: "a" });
      assert.equal(await (await get("s", "offset=-1")).text(), "a");
      await append(url, "b");
      assert.equal(await (await get("s", "offset=-1")).text(), "ab");
      await append(url, "", { headers: { "stream-closed": "true" } });
      const closed = await get("s", "offset=-1");
      assert.equal(closed.headers.get("stream-closed"), "true");
      assert.equal(await closed.text(), "ab");
      await expectStatus(await fetch(url, { method: "DELETE" }), 204);
      const gone = await get("s", "offset=-1");
      await gone.body?.cancel();
      assert.equal(gone.status, 404);

      // A full page comes from the cache; what follows it never does.
      const long = await large(server.url, "long");
      const first = await get("long", "offset=-1");
      await first.body?.cancel();
      for (let seen = ""; seen !== "HIT";) {
        const again = await get("long", "offset=-1");
        assert.equal((await again.arrayBuffer()).byteLength, 4 << 20);
        seen = again.headers.get("x-cache") ?? "";
      }
      const rest = async () => {
        let bytes = 0;
        for (let next = nextOffset(first);;) {
          const response = await get("long", `offset=${next}`);
          bytes += (await response.arrayBuffer()).byteLength;
          next = nextOffset(response);
          if (!response.headers.has("stream-up-to-date")) continue;
          assert.equal(response.headers.get("x-cache"), "MISS");
          return { bytes, closed: response.headers.get("stream-closed") === "true" };
        }
      };
      assert.deepEqual(await rest(), { bytes: 1 << 20, closed: false });
      await append(long, "x", { contentType: "application/octet-stream" });
      assert.deepEqual(await rest(), { bytes: (1 << 20) + 1, closed: false });
      await append(long, "", { headers: { "stream-closed": "true" } });
      assert.deepEqual(await rest(), { bytes: (1 << 20) + 1, closed: true });
    });
  });
}
