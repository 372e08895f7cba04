/**
 * The path that is served is the path that was sent, at the socket and on both runtimes: whatever a
 * runtime or a proxy could read differently is refused.
 */
import assert from "node:assert/strict";
import { createStream, readAll } from "../support/http.ts";
import { type RunningServer, type Runtime, startServer } from "../support/server.ts";
import { RawConnection } from "./raw.ts";
import { withStorage } from "./support.ts";

async function converse(server: RunningServer, text: string): Promise<string> {
  const connection = await RawConnection.open(Number(new URL(server.url).port));
  await connection.write(text);
  return await connection.text();
}

/** The status and the error's code of the answer, or `closed` without one. */
async function outcome(server: RunningServer, text: string): Promise<string> {
  const answer = await converse(server, text);
  if (answer === "") return "closed";
  const status = answer.slice(9, 12);
  const code = /"code":"(\w+)"/.exec(answer)?.[1];
  return code === undefined ? status : `${status} ${code}`;
}

const get = (target: string, head = "Host: localhost\r\nConnection: close\r\n") =>
  `GET ${target} HTTP/1.1\r\n${head}\r\n`;

const ALTERED = [
  "/v1/stream/a\\b",
  "/v1/stream/public\\..\\private",
  "/v1/stream/public/../private",
  "/v1/stream/public/%2e%2e/private",
  "/v1/stream/public/.%2E/private",
  "/v1/stream/./private",
  "/v1/stream/private/.",
  "/v1/stream/private/%2e",
  "/v1/stream/..",
  "/v1/stream//private",
  "/v1/stream/private/",
  "/v1/stream/private#fragment",
  "/v1/stream/private?offset=-1#fragment",
  `/v1/stream/${"x/".repeat(64)}x`,
  "/v1/stream/a%2Fb",
  "/v1/stream/a%5Cb",
];

const HOSTS = [
  "Host: localhost/v1/stream/private?\r\n",
  "Host: localhost#x\r\n",
  "Host: localhost\\x\r\n",
  "Host: u@localhost\r\n",
  "Host: a b\r\n",
  "Host: localhost\r\nHost: localhost\r\n",
];

for (const runtime of ["deno", "bun"] as const satisfies readonly Runtime[]) {
  Deno.test(`targets and hosts are served as sent or refused, on ${runtime}`, async (t) => {
    await withStorage("postgres", async (database) => {
      const server = await startServer({ runtime, database });
      try {
        await createStream(server.url, "private", { body: "secret" });
        await createStream(server.url, "public/a", { body: "open" });

        await t.step("a path that could be read as another is 400", async () => {
          for (const target of ALTERED) {
            assert.match(await outcome(server, get(target)), /^400( INVALID|$)/, target);
          }
          const deep = `/v1/stream/${"x/".repeat(63)}x`;
          assert.equal(await outcome(server, get(deep)), "404 STREAM_NOT_FOUND");
        });

        await t.step(
          "a path that leads to a stream or a control API only when resolved is not served",
          async () => {
            for (
              const target of ["/a/../v1/stream/private", "//v1/stream/private", "/x/../ready"]
            ) {
              assert.match(await outcome(server, get(target)), /^40[04]/, target);
            }
            const control = get("/v1/stream/public/../__ds/jwks.json");
            assert.equal(await outcome(server, control), "400 INVALID_PATH");
          },
        );

        await t.step("no method gets through by such a path", async () => {
          for (const method of ["PUT", "POST", "DELETE", "HEAD"]) {
            const head = "Host: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\n";
            const text = `${method} /v1/stream/public/../private HTTP/1.1\r\n${head}` +
              "Content-Length: 1\r\n\r\nx";
            assert.match(await outcome(server, text), /^400/, method);
          }
          assert.equal((await readAll(`${server.url}/v1/stream/private`)).text, "secret");
        });

        await t.step("a Host that is not host[:port] is 400", async () => {
          for (const host of HOSTS) {
            const text = get("/v1/stream/public/a", `${host}Connection: close\r\n`);
            assert.match(await outcome(server, text), /^400/, host);
          }
        });

        await t.step("a target that is a URL of another scheme is 400", async () => {
          for (const head of ["Host: localhost\r\n", "Host: a b\r\n"]) {
            const text = get("x://y/v1/stream/private", `${head}Connection: close\r\n`);
            assert.match(await outcome(server, text), /^400/);
          }
          assert.match(
            await outcome(server, "GET x://y/v1/stream/private HTTP/1.0\r\n\r\n"),
            /^400/,
          );
        });

        await t.step("HTTP/1.0 without Host works, and serves the path as sent", async () => {
          const ask = (target: string) => outcome(server, `GET ${target} HTTP/1.0\r\n\r\n`);
          assert.equal(await ask("/ready"), "200");
          assert.equal(await ask("/v1/stream/public/a"), "200");
          assert.equal(await ask("/a/v1/stream/private"), "404 NOT_FOUND");
          const put = "PUT /v1/stream/by-http-1.0 HTTP/1.0\r\nContent-Type: text/plain\r\n\r\n";
          assert.match(await converse(server, put), /\r\nlocation: \/v1\/stream\/by-http-1.0\r\n/i);
        });

        await t.step("unknown methods are 405, where the runtime hands them on", async () => {
          for (const method of ["PATCH", "TRACE", "FOO", "get"]) {
            const answer = await outcome(
              server,
              `${method} /v1/stream/private HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
            );
            // Bun closes the connection on methods that it does not know: docs/decisions.md.
            const closes = runtime === "bun" && (method === "FOO" || method === "get");
            assert.equal(answer, closes ? "closed" : "405 METHOD_NOT_ALLOWED", method);
          }
        });
      } finally {
        await server.stop();
      }
    });
  });

  Deno.test(`hosts and origins that are not this server's own are kept out, on ${runtime}`, async () => {
    await withStorage("postgres", async (database) => {
      const args = ["--cors-origins", "https://app.example.com"];
      const server = await startServer({ runtime, database, args });
      try {
        await createStream(server.url, "s", { body: "text" });
        const ask = (method: string, headers: string) =>
          converse(
            server,
            `${method} /v1/stream/s HTTP/1.1\r\nConnection: close\r\n${headers}` +
              (method === "POST"
                ? "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"
                : "\r\n"),
          );
        const foreign = await ask("GET", "Host: rebound.example:4437\r\n");
        assert.match(foreign, /^HTTP\/1.1 421 /);
        assert.match(foreign, /--allowed-hosts/);
        const health = get("/ready", "Host: rebound.example\r\nConnection: close\r\n");
        assert.equal(await outcome(server, health), "200");

        const evil = "Host: localhost\r\nOrigin: https://evil.example\r\n";
        assert.doesNotMatch(await ask("GET", evil), /access-control-allow-origin/i);
        for (const method of ["POST", "DELETE", "PUT"]) {
          assert.match(await ask(method, evil), /^HTTP\/1.1 403 [^]*FOREIGN_ORIGIN/, method);
        }
        const app = "Host: localhost\r\nOrigin: https://app.example.com\r\n";
        for (const method of ["GET", "POST", "OPTIONS"]) {
          const answer = await ask(method, app);
          assert.match(answer, /^HTTP\/1.1 20[04] /, method);
          assert.match(answer, /access-control-allow-origin: https:\/\/app.example.com/i, method);
        }
        assert.equal((await readAll(`${server.url}/v1/stream/s`)).text, "textx");
      } finally {
        await server.stop();
      }
    });
  });
}
