import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { generate } from "../../bench/load/generator_process.ts";
import { headerOf, HttpConnection, requestBytes } from "../../bench/load/http_connection.ts";
import { createStreams, etagOf } from "../../bench/load/prepare.ts";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers each request once all of its body has arrived. */
async function withServer(handle: Handler, use: (url: string) => Promise<void>): Promise<void> {
  const server: Server = createServer((request, response) => {
    request.resume().on("end", () => handle(request, response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
}

const post = { method: "POST", bodyBytes: 100, connections: 4, seconds: 0.2 } as const;

Deno.test("the generator counts what the server has answered, in a closed loop", async () => {
  let answered = 0;
  let underWay = 0;
  let most = 0;
  const handle: Handler = (request, response) => {
    most = Math.max(most, ++underWay);
    assert.equal(request.headers["content-length"], "100");
    setImmediate(() => {
      underWay--;
      answered++;
      response.writeHead(204).end();
    });
  };
  await withServer(handle, async (url) => {
    const result = await generate({ ...post, url, path: "/a" });
    assert.equal(result.requests, answered);
    assert.equal(result.errors, 0);
    assert.ok(result.requests > 4 && most <= 4);
    assert.ok(result.p50Millis > 0 && result.p50Millis <= result.p99Millis);
  });
});

Deno.test("the generator ends after as many requests as it was told", async () => {
  await withServer((_, response) => void response.writeHead(204).end(), async (url) => {
    const { requests } = await generate({ ...post, url, path: "/a", seconds: 60, count: 50 });
    assert.equal(requests, 50);
  });
});

Deno.test("answers that are neither 2xx nor 3xx are errors", async () => {
  await withServer((_, response) => void response.writeHead(503).end("no"), async (url) => {
    const { requests, errors } = await generate({ ...post, url, path: "/a" });
    assert.ok(requests > 0);
    assert.equal(errors, requests);
  });
});

Deno.test("numbered paths go around in turn", async () => {
  const seen = new Map<string, number>();
  const handle: Handler = ({ url = "" }, response) => {
    seen.set(url, (seen.get(url) ?? 0) + 1);
    response.writeHead(204).end();
  };
  await withServer(handle, async (url) => {
    const { requests } = await generate({ ...post, url, path: "/s-{n}", paths: 3 });
    assert.deepEqual([...seen.keys()].sort(), ["/s-0", "/s-1", "/s-2"]);
    for (const count of seen.values()) assert.ok(Math.abs(count - requests / 3) <= 1);
  });
});

Deno.test("a producer's sequence has no gap, and what overtook is sent again", async () => {
  const next = new Map<string, number>();
  let refused = 0;
  const handle: Handler = ({ headers }, response) => {
    const id = String(headers["producer-id"]);
    const expected = next.get(id) ?? 0;
    const seq = Number(headers["producer-seq"]);
    // Every fifth is refused once, as if it had come too early.
    const early = seq % 5 === 4 && refused++ % 2 === 0;
    if (seq > expected || early) return void response.writeHead(409).end();
    assert.equal(seq, expected);
    next.set(id, seq + 1);
    response.writeHead(204).end();
  };
  await withServer(handle, async (url) => {
    const producers = { name: "p", connectionsEach: 2 };
    const { requests, errors, retries = 0 } = await generate({
      ...post,
      url,
      path: "/a",
      producers,
    });
    assert.deepEqual([...next.keys()].sort(), ["p-0", "p-1"]);
    assert.equal([...next.values()].reduce((sum, count) => sum + count, 0), requests);
    assert.equal(errors, 0);
    assert.ok(retries > 0);
  });
});

Deno.test("a connection reads bodies with a length, in chunks, and none", async () => {
  const handle: Handler = (request, response) => {
    if (request.url === "/length") response.setHeader("Content-Length", "200000");
    if (request.url === "/none") response.writeHead(304, { ETag: '"e"' }).end();
    else {
      response.write("x".repeat(150_000));
      setImmediate(() => response.end("x".repeat(50_000)));
    }
  };
  await withServer(handle, async (url) => {
    const connection = await HttpConnection.open(url, 4096);
    const get = async (path: string) => {
      await connection.send(requestBytes({ method: "GET", path, host: "test" }));
      return await connection.receive();
    };
    assert.equal((await get("/length")).bodyBytes, 200_000);
    assert.equal((await get("/chunks")).bodyBytes, 200_000);
    const none = await get("/none");
    assert.deepEqual([none.status, none.bodyBytes, headerOf(none, "etag")], [304, 0, '"e"']);
    assert.equal((await get("/length")).bodyBytes, 200_000);
    connection.close();
  });
});

Deno.test("streams are created once each, and a refusal is an error", async () => {
  const created = new Set<string>();
  const handle: Handler = ({ method, url = "" }, response) => {
    if (method === "GET") return void response.writeHead(200).end();
    assert.ok(method === "PUT" && !created.has(url));
    created.add(url);
    response.writeHead(created.size > 100 ? 500 : 201).end();
  };
  await withServer(handle, async (url) => {
    const pattern = await createStreams(url, { prefix: "x", count: 100 });
    assert.equal(created.size, 100);
    assert.ok(created.has(pattern.replace("{n}", "99")));
    await assert.rejects(createStreams(url, { prefix: "x", count: 1 }), /PUT .*: 500/);
    await assert.rejects(etagOf(url, "/a"), /200 without an ETag/);
  });
});
