/** The inspector's files at the socket: their headers and their size. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { staleFiles } from "../../scripts/inspector.ts";
import { expectStatus, serverForThisFile } from "../system/support.ts";

const SERVERS = {
  deno: serverForThisFile("postgres"),
  bun: serverForThisFile("postgres", { runtime: "bun" }),
};
const without = serverForThisFile("postgres", { args: ["--inspector", "off"] });
const MOST_BYTES = 150_000;
const HTML = { headers: { accept: "text/html,*/*" } };

Deno.test("the bundle is what the sources make", () => {
  assert.deepEqual(staleFiles(), [], "run `deno task inspector`");
});

for (const [runtime, server] of Object.entries(SERVERS)) {
  Deno.test(`the page and its assets on ${runtime}`, async () => {
    const response = await fetch(`${server.url}/`, HTML);
    assert.equal(response.url, `${server.url}/_penstock/`);
    const { headers } = response;
    const policy = headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*|data:/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    const page = await expectStatus(response, 200);
    let bytes = 0;
    for (const [, asset] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const answer = await fetch(new URL(asset!, response.url));
      assert.match(asset!, /^assets\/[a-z]+-[0-9a-f]{12}\.\w+$/);
      assert.match(answer.headers.get("cache-control") ?? "", /immutable/);
      bytes += gzipSync(await expectStatus(answer, 200)).length;
    }
    assert.ok(bytes > 10_000 && bytes < MOST_BYTES, `${bytes} bytes`);
    await expectStatus(await fetch(`${server.url}/_penstock/assets/app-000000000000.js`), 404);
    await expectStatus(await fetch(`${server.url}/_penstock/x`), 404);
    await expectStatus(await fetch(`${server.url}/_penstock/`, { method: "POST" }), 405);
    await expectStatus(await fetch(`${server.url}/`), 404);
  });
}

Deno.test("--inspector off serves nothing, and another host's name is refused", async () => {
  for (const path of ["/", "/_penstock/", "/_penstock/session"]) {
    await expectStatus(await fetch(`${without.url}${path}`, HTML), 404);
  }
  const { createConnection } = await import("node:net");
  const socket = createConnection({ host: "127.0.0.1", port: SERVERS.deno.port });
  socket.end("GET /_penstock/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
  let text = "";
  for await (const chunk of socket) text += chunk;
  assert.match(text, /^HTTP\/1.1 421 /);
});
