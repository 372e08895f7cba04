/**
 * A chat page in a real browser whose right to read ends again and again: short JWTs that the official
 * client fetches anew, and signed URLs for EventSource. Nothing is lost, and nothing comes twice.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { startChromium } from "../support/programs/chromium.ts";
import { testWith } from "../support/programs/program.ts";
import { elapse, serverForThisFile } from "../system/support.ts";
import { ADMIN, ask, SECRET, secretFiles, signHmac } from "./support.ts";

const files = secretFiles({ admin: ADMIN, secret: SECRET });
globalThis.addEventListener("unload", () => files.remove());
const server = serverForThisFile("postgres", {
  args: ["--admin-token-file", files.path("admin"), "--jwt-secret-file", files.path("secret")],
});
const url = (path: string) => `${server.url}/v1/stream/${path}`;
const json = { "content-type": "application/json" };
/** The official client as npm has it: one file without imports. */
const CLIENT = fileURLToPath(import.meta.resolve("@durable-streams/client"));

/** The page's own backend: the page, the client, and fresh rights to read one stream. */
async function withBackend(
  path: string,
  test: (base: string, issued: () => number) => Promise<void>,
): Promise<void> {
  let issued = 0;
  const answers: Record<string, () => Promise<[string, string]>> = {
    "/": () => Promise.resolve(["text/html", "<!doctype html><title>chat</title>"]),
    "/client.js": () => Promise.resolve(["text/javascript", readFileSync(CLIENT, "utf8")]),
    "/token": async () => {
      issued++;
      // The server allows five seconds for clocks: this one ends in one to two.
      const exp = Math.floor(Date.now() / 1000) - 3;
      return ["text/plain", await signHmac({ penstock: `read:${path}`, exp }, SECRET)];
    },
    "/signed": async () => {
      issued++;
      const signed = await ask(url("__ds/sign"), {
        method: "POST",
        token: ADMIN,
        body: { path, operation: "read", expires_in_seconds: 1 },
      });
      return ["text/plain", String(signed.body.url)];
    },
  };
  const backend = createServer((request, response) => {
    const answer = answers[request.url ?? ""];
    if (answer === undefined) return response.writeHead(404).end();
    answer().then(([type, body]) => response.writeHead(200, { "content-type": type }).end(body));
  });
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
  try {
    await test(`http://127.0.0.1:${(backend.address() as AddressInfo).port}`, () => issued);
  } finally {
    backend.closeAllConnections();
    await new Promise((resolve) => backend.close(resolve));
  }
}

const FOLLOWING = {
  "the official client with JWTs": (stream: string) =>
    `(async () => {
    const { stream } = await import("/client.js");
    window.seen = [];
    const following = await stream({
      url: "${stream}",
      offset: "-1",
      live: "sse",
      headers: { Authorization: async () => "Bearer " + await (await fetch("/token")).text() },
    });
    following.subscribeJson(async ({ items }) => seen.push(...items.map(({ n }) => n)));
  })()`,
  "EventSource with signed URLs": () =>
    `(async () => {
    window.seen = [];
    let last = "-1";
    const follow = async () => {
      const url = await (await fetch("/signed")).text();
      const source = new EventSource(url + "&offset=" + last + "&live=sse");
      source.addEventListener("data", ({ data, lastEventId }) => {
        last = lastEventId;
        seen.push(...JSON.parse(data).map(({ n }) => n));
      });
      source.addEventListener("error", () => {
        if (source.readyState === EventSource.CLOSED) follow();
      });
    };
    await follow();
  })()`,
};

for (const [name, script] of Object.entries(FOLLOWING)) {
  testWith(["chromium"], `a chat page goes on through three ends: ${name}`, async () => {
    const path = `chat/${name.length}`;
    await ask(url(path), { method: "PUT", token: ADMIN, headers: json });
    await withBackend(path, async (base, issued) => {
      await using chromium = await startChromium();
      const page = await chromium.openPage(base);
      await page.evaluate(script(url(path)));
      let sent = 0;
      const deadline = performance.now() + 30_000;
      // The first right, and three that follow it in mid-stream.
      while (issued() < 4 && performance.now() < deadline) {
        const said = { method: "POST", token: ADMIN, headers: json, body: { n: sent } };
        assert.equal((await ask(url(path), said)).status, 204);
        sent++;
        await elapse(50, "rights end while people talk");
      }
      await page.waitFor(`seen.length >= ${sent}`);
      assert.deepEqual(await page.evaluate("seen"), Array.from({ length: sent }, (_, n) => n));
      assert.ok(issued() >= 4, `${issued()} rights`);
      assert.ok(sent > 30, `${sent} messages`);
    });
  });
}
