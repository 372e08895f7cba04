/** The access log: a line for each request, which no client can forge. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { requestIdOf } from "../../src/http/request_lines.ts";
import { accessLogJson, accessLogText, type RequestLine } from "../../src/telemetry/access_log.ts";
import { append, createStream } from "../support/http.ts";
import { type RunningServer } from "../support/server.ts";
import { Events, eventually, withServer, withStorage } from "../system/support.ts";

const LINE: RequestLine = {
  requestId: "one",
  address: "::1",
  method: "POST",
  path: "/v1/stream/a",
  mode: "append",
  status: 204,
  bytes: 0,
  ms: 1.5,
};
const CONTEXT = { time: new Date(0), worker: null };

Deno.test("an access log line has one field per word, whatever the client sent", () => {
  const line = "1970-01-01T00:00:00.000Z ::1 - POST /v1/stream/a append 204 0 1.5ms one\n";
  assert.equal(accessLogText(LINE, CONTEXT), line);
  fc.assert(fc.property(fc.string({ unit: "binary" }), (path) => {
    const text = accessLogText({ ...LINE, path }, CONTEXT);
    assert.match(text, /^[\x21-\x7e]+(?: [\x21-\x7e]+){9}\n$/);
    assert.equal(JSON.parse(accessLogJson({ ...LINE, path }, CONTEXT)).path, path.toWellFormed());
  }));
});

Deno.test("requestIdOf takes printable ids of 128 characters at most, else makes one", () => {
  for (const id of ["a", "x".repeat(128), "00-4bf9-01"]) assert.equal(requestIdOf(id), id);
  for (const id of [null, "", "x".repeat(129), "a b", "é", "a\t"]) {
    assert.match(requestIdOf(id), /^[0-9a-f-]{36}$/);
  }
});

const lines = (server: RunningServer) =>
  server.logs.map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line.event === "request");

for (const runtime of ["deno", "bun"] as const) {
  Deno.test(`--access-log json: each request has a line when it has ended, on ${runtime}`, async () => {
    await withStorage("embedded", async (database) => {
      await withServer({ runtime, database, args: ["--access-log", "json"] }, async (server) => {
        const url = await createStream(server.url, "logged");
        await append(url, "hello");
        const headers = { "x-request-id": "mine-1", "x-forwarded-for": "192.0.2.7" };
        const read = await fetch(`${url}?offset=-1`, { headers });
        assert.equal(read.headers.get("x-request-id"), "mine-1");
        assert.match(read.headers.get("server") ?? "", /^penstock\/\d+\.\d+$/);
        assert.equal(read.headers.get("content-length"), "5");
        assert.equal(await read.text(), "hello");
        const head = await fetch(url, { method: "HEAD" });
        assert.equal(
          head.headers.get("content-length"),
          null,
          "it is not said what GET would send",
        );
        const events = await Events.open(url, "-1");
        await events.next();
        assert.equal(lines(server).some(({ mode }) => mode === "sse"), false, "it goes on");
        await events.close();
        const sse = await eventually(
          5000,
          "the line of the SSE connection",
          () => Promise.resolve(lines(server).find(({ mode }) => mode === "sse")),
        );
        assert.ok(Number(sse.bytes) > 50, String(sse.bytes));
        await fetch(`${server.url}/v1/stream/missing?secret=1`).then((r) => r.body?.cancel());
        const missing = await eventually(
          5000,
          "the line of the missing stream",
          () => Promise.resolve(lines(server).find(({ status }) => status === 404)),
        );
        assert.equal(missing.path, "/v1/stream/missing");
        const catchUp = lines(server).find(({ mode, status }) =>
          mode === "catch-up" && status === 200
        );
        const { time: _time, ms: _ms, ...rest } = catchUp!;
        assert.deepEqual(rest, {
          event: "request",
          requestId: "mine-1",
          address: "127.0.0.1",
          forwardedFor: "192.0.2.7",
          method: "GET",
          path: "/v1/stream/logged",
          mode: "catch-up",
          status: 200,
          bytes: 5,
        });
        // Once each, however they ended.
        const ids = lines(server).map(({ requestId }) => requestId);
        assert.equal(new Set(ids).size, ids.length);
      });
    });
  });
}

Deno.test("--log-level debug shows requests in the log, without an access log", async () => {
  await withStorage("embedded", async (database) => {
    await withServer({ database, args: ["--log-level", "debug"] }, async (server) => {
      await createStream(server.url, "shown");
      const line = await server.logged(({ event }) => event === "request");
      assert.equal(line.level, "debug");
      assert.match(String(line.message), /^PUT \/v1\/stream\/shown 201: create, 0 bytes in /);
    });
  });
});

Deno.test("the access log names the principal of a request that has one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "penstock-access-log-"));
  const file = join(folder, "admin");
  const token = "t".repeat(40);
  writeFileSync(file, token, { mode: 0o600 });
  try {
    await withStorage("embedded", async (database) => {
      const args = ["--access-log", "json", "--admin-token-file", file];
      await withServer({ database, args }, async (server) => {
        const headers = { authorization: `Bearer ${token}` };
        await (await fetch(`${server.url}/v1/stream/a`, { headers })).text();
        await (await fetch(`${server.url}/v1/stream/a`)).text();
        const [known, unknown] = await eventually(
          5000,
          "two lines",
          () => Promise.resolve(lines(server).length >= 2 ? lines(server) : undefined),
        );
        assert.equal(known!.status, 404);
        assert.match(String(known!.principal), /admin/);
        assert.equal(unknown!.status, 401);
        assert.equal(unknown!.principal, undefined);
        assert.ok(!server.logs.join("\n").includes(token));
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
