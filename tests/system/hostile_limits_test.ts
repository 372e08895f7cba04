/** Bodies that are too large, methods nobody knows, browsers from elsewhere, bytes that are no text. */
import assert from "node:assert/strict";
import { append, createStream, rawRequest, readAll } from "../support/http.ts";
import { assertError, converse, RawConnection, request } from "./raw.ts";
import {
  assertCommonHeaders,
  Events,
  expectError,
  expectStatus,
  serverForThisFile,
} from "./support.ts";

const LIMIT = 64 << 10;
const node = serverForThisFile("postgres", { args: ["--max-append-bytes", "64KiB"] });
const plain = { "Content-Type": "text/plain" };
const VICTIM = "/v1/stream/victim";

Deno.test.beforeAll(async () => {
  await createStream(node.url, "victim", { body: "intact" });
});
Deno.test.afterEach(async () => {
  const { text, closed } = await readAll(node.url + VICTIM);
  assert.deepEqual([text, closed], ["intact", false]);
});

const send = (text: string) => converse(node.port, text);

/** A body in chunks of 8 KiB. */
function chunked(length: number): string {
  const chunk = `2000\r\n${"x".repeat(8192)}\r\n`;
  const rest = length % 8192;
  const last = rest === 0 ? "" : `${rest.toString(16)}\r\n${"x".repeat(rest)}\r\n`;
  return chunk.repeat(Math.floor(length / 8192)) + last + "0\r\n\r\n";
}

Deno.test("a body of the most bytes is taken, one byte more is 413, in either framing", async () => {
  for (const method of ["POST", "PUT"]) {
    const path = `/v1/stream/limit-${crypto.randomUUID()}`;
    if (method === "POST") await createStream(node.url, path.slice("/v1/stream/".length));
    const inChunks = { ...plain, "Transfer-Encoding": "chunked" };
    const tooLarge = [
      request(method, path, { headers: plain, body: "x".repeat(LIMIT + 1) }),
      request(method, path, { headers: inChunks, body: chunked(LIMIT + 1) }),
      request(method, path, { headers: inChunks, body: chunked(10 * LIMIT) }),
    ];
    for (const text of tooLarge) assertError(await send(text), 413);
    // Told beforehand, the server need not wait for the body.
    const announced = { ...plain, "Content-Length": String(LIMIT + 1) };
    const early = request(method, path, { headers: announced });
    assertError(await rawRequest("127.0.0.1", node.port, early), 413);

    const ok = request(method, path, { headers: inChunks, body: chunked(LIMIT) });
    assert.equal((await send(ok))?.status, method === "PUT" ? 201 : 204);
    assert.equal((await readAll(node.url + path)).bytes.length, LIMIT);
  }
});

Deno.test("fetch too gets its 413, and the connection pool survives it", async () => {
  for (let tries = 0; tries < 5; tries++) {
    const response = await fetch(node.url + VICTIM, {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: "x".repeat(LIMIT + 1),
    });
    await expectError(response, 413);
  }
});

Deno.test("empty and missing bodies, and missing types, are 400", async () => {
  const empty: Record<string, string>[] = [
    { ...plain, "Content-Length": "0" },
    plain,
    { ...plain, "Stream-Closed": "yes" },
  ];
  for (const headers of empty) {
    assertError(await send(request("POST", VICTIM, { headers })), 400);
  }
  const none = { ...plain, "Transfer-Encoding": "chunked" };
  assertError(await send(request("POST", VICTIM, { headers: none, body: "0\r\n\r\n" })), 400);
  assertError(await send(request("POST", VICTIM, { body: "untyped" })), 400);
  const wrong = { "Content-Type": "text/html" };
  assertError(await send(request("POST", VICTIM, { headers: wrong, body: "x" })), 409);
});

Deno.test("a length said twice is one length, and an unknown coding of the body is 400", async () => {
  const path = `/v1/stream/framing-${crypto.randomUUID()}`;
  await createStream(node.url, path.slice("/v1/stream/".length));
  const twice: [string, string][] = [
    ["Content-Type", "text/plain"],
    ["Content-Length", "5"],
    ["Content-Length", "5"],
  ];
  const answer = await send(request("POST", path, { headers: twice, body: "hello" }));
  assert.equal(answer?.status, 204);
  const coded = { ...plain, "Transfer-Encoding": "gzip, chunked" };
  const body = "5\r\nhello\r\n0\r\n\r\n";
  assertError(await send(request("POST", path, { headers: coded, body })), 400);
  assert.equal((await readAll(node.url + path)).text, "hello");
});

Deno.test("unknown methods are 405, and say which there are", async () => {
  for (const method of ["PATCH", "PROPFIND", "TRACE", "FOO", "get"]) {
    const answer = await send(request(method, VICTIM));
    assertError(answer, 405);
    const allowed = (answer!.headers.get("allow") ?? "").split(", ").sort();
    assert.deepEqual(allowed, ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"], method);
  }
  const health = await send(request("POST", "/health"));
  assertError(health, 405);
  assert.equal(health!.headers.get("allow"), "GET, HEAD");
  for (const path of ["/", "/v1", "/v1/stream", "/v1/streams/x", "/favicon.ico"]) {
    assertError(await send(request("GET", path)), 404);
  }
});

Deno.test("a preflight is answered in full, for streams that are not there as well", async () => {
  for (const path of [VICTIM, "/v1/stream/not-there"]) {
    const response = await fetch(node.url + path, {
      method: "OPTIONS",
      headers: {
        origin: "https://app.example",
        "access-control-request-method": "PUT",
        "access-control-request-headers": "producer-id, if-none-match",
      },
    });
    await expectStatus(response, 204);
    const list = (name: string) =>
      (response.headers.get(name) ?? "").split(",").map((item) => item.trim().toLowerCase());
    const methods = list("access-control-allow-methods");
    for (const method of ["get", "head", "post", "put", "delete", "options"]) {
      assert.ok(methods.includes(method), method);
    }
    const headers = list("access-control-allow-headers");
    const sent = [
      ["content-type", "authorization", "if-none-match"],
      ["stream-seq", "stream-ttl", "stream-expires-at", "stream-closed"],
      ["stream-forked-from", "stream-fork-offset", "stream-fork-sub-offset"],
      ["producer-id", "producer-epoch", "producer-seq"],
    ].flat();
    for (const header of sent) assert.ok(headers.includes(header), header);
    assert.ok(Number(response.headers.get("access-control-max-age")) > 0);
  }
});

Deno.test("every answer carries the common headers, and an allowed origin may read every header of ours", async () => {
  const url = await createStream(node.url, undefined, { headers: { "stream-ttl": "1000" } });
  const producer = { "producer-id": "p", "producer-epoch": "0", "producer-seq": "0" };
  const post = (headers: Record<string, string>, body: string) =>
    fetch(url, { method: "POST", headers: { "content-type": "text/plain", ...headers }, body });
  const answers = [
    await post(producer, "x"),
    await post(producer, "x"),
    await post({ ...producer, "producer-seq": "9" }, "x"),
    await fetch(url),
    await fetch(url, { method: "HEAD" }),
    await fetch(`${url}?offset=now`),
    await fetch(`${url}?offset=-1&live=long-poll`),
    await fetch(`${url}?offset=-1&live=sse`),
    await fetch(`${url}?offset=bad`),
    await fetch(url, { method: "PUT", headers: { "content-type": "text/html" } }),
    await fetch(`${url}-not`),
    await fetch(`${url}-not`, { method: "HEAD" }),
    await fetch(`${node.url}/health`),
    await fetch(`${node.url}/nothing`),
    await fetch(url, { method: "DELETE" }),
  ];
  const ours = /^(stream-|producer-|etag$|location$|retry-after$)/;
  const page = await fetch(`${node.url}/health`, { headers: { origin: "http://localhost:1" } });
  await page.body?.cancel();
  const exposed = page.headers.get("access-control-expose-headers")!.toLowerCase().split(", ");
  for (const response of answers) {
    await response.body?.cancel();
    assertCommonHeaders(response.headers);
    for (const name of response.headers.keys()) {
      if (ours.test(name)) assert.ok(exposed.includes(name), `${name} is not exposed`);
    }
  }
});

Deno.test("a HEAD of an error has its status and no body", async () => {
  const head = await send(request("HEAD", "/v1/stream/not-there"));
  assert.deepEqual([head?.status, head?.body], [404, ""]);
  const found = await send(request("HEAD", VICTIM));
  assert.deepEqual([found?.status, found?.body], [200, ""]);
  assert.equal(found!.headers.get("cache-control"), "no-store");
});

Deno.test("invalid UTF-8 in a text stream: exact bytes by GET, replacements by SSE", async () => {
  const bytes = Uint8Array.of(
    0x61,
    0xff,
    0xc3,
    0x28,
    0x80,
    0xed,
    0xa0,
    0x80,
    0xf5,
    0x62,
    0xe2,
    0x82,
  );
  const url = await createStream(node.url);
  const following = await Events.open(url, "-1");
  await following.control();
  const end = await append(url, bytes, { headers: { "stream-closed": "true" } });
  const text = new TextDecoder().decode(bytes);
  assert.equal(await following.textUntil(end), text);
  assert.equal(await following.next(), undefined);
  const late = await Events.open(url, "-1");
  assert.equal(await late.textUntil(end), text);
  await late.close();
  assert.deepEqual([...(await readAll(url)).bytes], [...bytes]);
});

Deno.test("two requests on one connection, sent together, are answered in order", async () => {
  const url = await createStream(node.url);
  const path = new URL(url).pathname;
  const first = request("POST", path, { headers: plain, body: "one" })
    .replace("Connection: close\r\n", "");
  const connection = await RawConnection.open(node.port);
  await connection.write(first + request("GET", path));
  const answer = await connection.answer();
  assert.equal(answer?.status, 204);
  assert.match(answer!.body, /^HTTP\/1\.1 200 [^]*one$/);
});

Deno.test("a body that hides a second request is not one", async () => {
  const path = `/v1/stream/smuggled-${crypto.randomUUID()}`;
  const inner = request("PUT", path, { headers: plain, body: "x" });
  const headers: [string, string][] = [
    ["Content-Type", "text/plain"],
    ["Content-Length", String(inner.length + 5)],
    ["Transfer-Encoding", "chunked"],
  ];
  const connection = await RawConnection.open(node.port);
  const outer = request("POST", "/v1/stream/nowhere", { headers }).replace(
    "Connection: close\r\n",
    "",
  );
  await connection.write(outer + "0\r\n\r\n" + inner);
  connection.finish();
  await connection.answer();
  assertError(await send(request("GET", path)), 404);
});
