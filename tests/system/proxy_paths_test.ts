/**
 * Behind real proxies that let through one folder of streams only, nothing outside it is served,
 * however its path is spelt: what a proxy lets through is what is served.
 */
import assert from "node:assert/strict";
import { createStream, readAll } from "../support/http.ts";
import { startCaddy } from "../support/programs/caddy.ts";
import { startHaproxy } from "../support/programs/haproxy.ts";
import { startNginx } from "../support/programs/nginx.ts";
import { type RunningProgram, testWith } from "../support/programs/program.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { RawConnection } from "./raw.ts";
import { withStorage } from "./support.ts";

const PROXIES: Record<string, (upstreamPort: number) => Promise<RunningProgram>> = {
  nginx: (upstreamPort) =>
    startNginx({
      upstreamPort,
      server: `
        location /v1/stream/public/ { proxy_pass http://127.0.0.1:${upstreamPort}; }
        location / { return 403; }`,
    }),
  haproxy: (upstreamPort) =>
    startHaproxy({
      upstreamPort,
      config: ({ port }) => `
global
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend front
  bind 127.0.0.1:${port}
  http-request deny unless { path_beg /v1/stream/public/ }
  default_backend back
backend back
  server node 127.0.0.1:${upstreamPort}
`,
    }),
  caddy: (upstreamPort) =>
    startCaddy({
      upstreamPort,
      config: ({ port }) => `
{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  handle /v1/stream/public/* {
    reverse_proxy 127.0.0.1:${upstreamPort}
  }
  handle {
    respond 403
  }
}
`,
    }),
};

const SPELLINGS = [
  "/v1/stream/private/p",
  "/v1/stream/public/../private/p",
  "/v1/stream/public/%2e%2e/private/p",
  "/v1/stream/public/.%2e/private/p",
  "/v1/stream/public/%2E./private/p",
  "/v1/stream/public/..\\private\\p",
  "/v1/stream/public\\..\\private\\p",
  "/v1/stream/public/..%5cprivate%5cp",
  "/v1/stream/public/..%2fprivate%2fp",
  "/v1/stream/public/x/../../private/p",
  "/v1/stream/public/./../private/p",
  "/v1/stream/public//../private/p",
  "/v1/stream/public/..;/private/p",
  "/v1/stream/public/../__ds/jwks.json",
];

async function ask(proxy: RunningProgram, method: string, target: string): Promise<string> {
  const connection = await RawConnection.open(proxy.port);
  await connection.write(
    `${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nConnection: close\r\n\r\n`,
  );
  return await connection.text();
}

async function assertOnlyPublic(server: RunningServer, proxy: RunningProgram): Promise<void> {
  const allowed = await ask(proxy, "GET", "/v1/stream/public/a");
  assert.match(allowed, /^HTTP\/1.1 200 [^]*open/);
  for (const target of SPELLINGS) {
    const answer = await ask(proxy, "GET", target);
    assert.doesNotMatch(answer, /secret|"keys"/, target);
    assert.match(answer, /^HTTP\/1.1 4/, target);
    assert.match(await ask(proxy, "DELETE", target), /^HTTP\/1.1 4/, target);
  }
  assert.equal((await readAll(`${server.url}/v1/stream/private/p`)).text, "secret");
}

for (const [name, start] of Object.entries(PROXIES)) {
  testWith([name], `${name} with a path rule keeps its other streams in`, async () => {
    for (const runtime of ["deno", "bun"] as const) {
      await withStorage("postgres", async (database) => {
        const server = await startServer({ runtime, database });
        const proxy = await start(Number(new URL(server.url).port));
        try {
          await createStream(server.url, "public/a", { body: "open" });
          await createStream(server.url, "private/p", { body: "secret" });
          await assertOnlyPublic(server, proxy);
        } finally {
          await proxy.stop();
          await server.stop();
        }
      });
    }
  });
}
