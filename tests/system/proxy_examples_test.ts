/** The proxies' configurations of docs/operations.md, as they stand there, in front of a real server. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { append, createStream, readAll, serverSentEvents } from "../support/http.ts";
import { startCaddy } from "../support/programs/caddy.ts";
import { startHaproxy } from "../support/programs/haproxy.ts";
import { startNginx } from "../support/programs/nginx.ts";
import { type RunningProgram, testWith } from "../support/programs/program.ts";
import { startServer } from "../support/server.ts";

const PAGE = readFileSync(join(import.meta.dirname ?? ".", "../../docs/operations.md"), "utf8");

/** The example of this language, leading to the test's server. */
function exampleOf(language: string): string {
  const example = PAGE.match(new RegExp("```" + language + "\n([^]*?)```"))?.[1];
  assert(example !== undefined && example.includes("127.0.0.1:4437"), `no example in ${language}`);
  return example.replaceAll("127.0.0.1:4437", "127.0.0.1:{{upstreamPort}}");
}

/** What the example says of the outside, replaced by the test's port. */
function replaced(example: string, outside: string, inside: string): string {
  assert(example.includes(outside), `the example no longer says ${outside}`);
  return example.replace(outside, inside);
}

const PROXIES: Record<string, (upstreamPort: number) => Promise<RunningProgram>> = {
  nginx: (upstreamPort) => startNginx({ upstreamPort, server: exampleOf("nginx") }),
  caddy: (upstreamPort) =>
    startCaddy({
      upstreamPort,
      config: replaced(exampleOf("caddyfile"), "streams.example.com", "http://127.0.0.1:{{port}}"),
    }),
  haproxy: (upstreamPort) =>
    startHaproxy({
      upstreamPort,
      config: replaced(exampleOf("haproxy"), "bind :8080", "bind 127.0.0.1:{{port}}"),
    }),
};

for (const [name, start] of Object.entries(PROXIES)) {
  testWith([name], `behind ${name} as documented, appends, reads and SSE work`, async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "penstock-proxy-"));
    const server = await startServer({ database: { dataDir } });
    const proxy = await start(Number(new URL(server.url).port));
    try {
      const url = await createStream(proxy.url);
      await append(url, "first");
      assert.equal((await readAll(url)).text, "first");

      const following = new AbortController();
      const response = await fetch(`${url}?offset=now&live=sse`, { signal: following.signal });
      const events = serverSentEvents(response);
      assert.equal((await events.next()).value?.event, "control");
      await append(url, "second");
      // An event that the proxy held back would come after a minute, when the connection ends.
      const began = performance.now();
      assert.match((await events.next()).value?.data ?? "", /second/);
      assert(performance.now() - began < 10_000);
      following.abort();

      const large = new Uint8Array(12 << 20).fill(120);
      await append(url, large);
      assert.equal((await readAll(url)).bytes.length, "firstsecond".length + large.length);

      const health = await (await fetch(`${server.url}/health`)).text();
      assert.notEqual(await (await fetch(`${proxy.url}/health`)).text(), health);
    } finally {
      await proxy.stop();
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
}
