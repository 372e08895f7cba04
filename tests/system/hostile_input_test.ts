/** Requests nobody sends by accident: each is refused cleanly, and none leaves a mark. */
import assert from "node:assert/strict";
import { resourcesOf } from "../fuzz/resources.ts";
import { createStream, readAll } from "../support/http.ts";
import { assertError, assertRefused, converse, RawConnection, request } from "./raw.ts";
import { eventually, serverForThisFile } from "./support.ts";

const node = serverForThisFile();
const plain = { "Content-Type": "text/plain" };
const VICTIM = "/v1/stream/victim";

Deno.test.beforeAll(async () => {
  await createStream(node.url, "victim", { body: "intact" });
});

/** The one stream that most of these requests are aimed at. */
Deno.test.afterEach(async () => {
  const { text, closed } = await readAll(node.url + VICTIM);
  assert.deepEqual([text, closed], ["intact", false]);
});

const send = (text: string) => converse(node.port, text);

Deno.test("paths that two servers might read differently are 400, with every method", async () => {
  const paths = [
    "/v1/stream/",
    "/v1/stream/.",
    "/v1/stream/..",
    "/v1/stream/../stream/victim",
    "/v1/stream/x/../victim",
    "/v1/stream/./victim",
    "/v1/stream/%2e%2e/stream/victim",
    "/v1/stream/x/%2E%2e/victim",
    "/v1/stream//victim",
    "/v1/stream/victim/",
    "/v1/stream/x//y",
    "/v1/stream/x%2Fvictim",
    "/v1/stream/x%2fvictim",
    "/v1/stream/x%5cvictim",
    "/v1/stream/victim%00",
    "/v1/stream/%00",
    "/v1/stream/x%0d%0aSet-Cookie:y",
    "/v1/stream/x%7f",
    "/v1/stream/%ff",
    "/v1/stream/%c0%ae%c0%ae",
    "/v1/stream/%zz",
    "/v1/stream/%",
    "/v1/stream/" + "x".repeat(1025),
    "/v1/stream/" + "%e2%82%ac".repeat(342),
  ];
  for (const path of paths) {
    for (const method of ["GET", "POST", "PUT", "DELETE"]) {
      const body = method === "POST" || method === "PUT" ? { headers: plain, body: "x" } : {};
      const answer = await send(request(method, path, body));
      assert.equal(answer?.status, 400, `${method} ${path.slice(0, 60)}: ${answer?.body}`);
      assertError(answer, 400);
    }
    const head = await send(request("HEAD", path));
    assert.deepEqual([head?.status, head?.body], [400, ""], path.slice(0, 60));
  }
});

Deno.test("no stream can be made under __ds, however it is written", async () => {
  for (const path of ["__ds", "__ds/x", "%5f%5fds/x", "__d%73", "__ds/subscriptions/"]) {
    for (const method of ["PUT", "POST", "GET", "DELETE"]) {
      const body = method === "PUT" || method === "POST" ? { headers: plain, body: "x" } : {};
      const answer = await send(request(method, `/v1/stream/${path}`, body));
      assert.ok(answer !== undefined && answer.status >= 400 && answer.status < 500, path);
      assertError(answer, answer.status);
    }
  }
});

Deno.test("paths as long as they may be work, and absurdly long ones are refused", async () => {
  const longest = "x".repeat(1024);
  await createStream(node.url, longest, { body: "long" });
  assert.equal((await readAll(`${node.url}/v1/stream/${longest}`)).text, "long");
  for (const length of [8_000, 70_000, 1_000_000]) {
    assertRefused(await send(request("GET", "/v1/stream/" + "x".repeat(length))), `${length}`);
    const query = `${VICTIM}?offset=${"0".repeat(length)}`;
    assertRefused(await send(request("GET", query)), `query of ${length}`);
  }
});

Deno.test("paths with any other character are streams of their own", async () => {
  const names = ["a%20b", "a%3Fb", "a%23b", "a%25b", "caf%C3%A9", "a'b\"c", "a;b=c", "~x", "%2Dx"];
  for (const name of names) {
    const url = await createStream(node.url, name, { body: name });
    assert.equal((await readAll(url)).text, name);
  }
  // The same stream, however it is written.
  assert.equal((await readAll(`${node.url}/v1/stream/%63af%c3%a9`)).text, "caf%C3%A9");
  assert.equal((await readAll(`${node.url}/v1/stream/-x`)).text, "%2Dx");
});

Deno.test("what is no HTTP is refused before it is anything", async () => {
  const post = (headers: [string, string][], body: string) =>
    request("POST", VICTIM, { headers: [["Content-Type", "text/plain"], ...headers], body });
  const messages: [what: string, text: string][] = [
    ["NUL in a header", post([["Stream-Seq", "a\0b"]], "x")],
    ["control in a header", post([["Producer-Id", "a\x01b"]], "x")],
    ["DEL in a header", post([["Stream-Seq", "a\x7fb"]], "x")],
    ["CR in a header", post([["Stream-Seq", "a\rb"]], "x")],
    ["a header's name with a space", post([["Stream Seq", "a"]], "x")],
    ["no colon", `GET ${VICTIM} HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n`],
    ["two lengths", post([["Content-Length", "1"], ["Content-Length", "2"]], "xy")],
    ["a negative length", post([["Content-Length", "-1"]], "x")],
    ["a length that is none", post([["Content-Length", "1x"]], "x")],
    ["a length beyond counting", post([["Content-Length", "99999999999999999999"]], "x")],
    ["a bad chunk size", post([["Transfer-Encoding", "chunked"]], "zz\r\nhello\r\n0\r\n\r\n")],
    ["a negative chunk", post([["Transfer-Encoding", "chunked"]], "-5\r\nhello\r\n0\r\n\r\n")],
    ["an unknown coding", post([["Transfer-Encoding", "gzip"]], "x")],
    ["a method that is none", `G\x01T ${VICTIM} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ["a space in the target", `GET ${VICTIM} x HTTP/1.1\r\nHost: x\r\n\r\n`],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\0".repeat(40) + "\r\n\r\n"],
    ["a megabyte of headers", post([["X-Large", "x".repeat(1 << 20)]], "x")],
  ];
  for (const [what, text] of messages) {
    const connection = await RawConnection.open(node.port);
    await connection.write(text);
    connection.finish(); // whoever still waits for more learns that there is none
    assertRefused(await connection.answer(), what);
  }
});

Deno.test("header values with tabs, and too long ones, are 400; bytes above ASCII are bytes", async () => {
  const url = await createStream(node.url);
  const path = new URL(url).pathname;
  for (const name of ["Stream-Seq", "Producer-Id"]) {
    const more = name === "Producer-Id" ? { "Producer-Epoch": "0", "Producer-Seq": "0" } : {};
    for (const value of ["a\tb", "x".repeat(513)]) {
      const headers = { ...plain, ...more, [name]: value };
      assertError(await send(request("POST", path, { headers, body: "no" })), 400);
    }
  }
  for (const [seq, status] of [["\xc3\xa9", 204], ["\xc3\xa8", 409], ["\xff", 204]] as const) {
    const headers = { ...plain, "Stream-Seq": seq };
    assert.equal((await send(request("POST", path, { headers, body: "y" })))?.status, status);
  }
  assert.equal((await readAll(url)).text, "yy");
});

Deno.test("offsets this server never gave are 400 in every mode", async () => {
  const offsets = [
    "",
    "0",
    "-2",
    "--1",
    "NOW",
    "now%20",
    "1e3",
    "a,b",
    "a%26b",
    "a%3Db",
    "a%3Fb",
    "a/b",
    "%00",
    "%0a",
    "%ff",
    "..%2f..",
    "%F0%9F%98%80",
    "0000000000000000_000000000000000",
    "0000000000000000_00000000000000000",
    "0000000000000001_0000000000000000",
    "0000000000000000_000000000000000a",
    "0000000000000000_9999999999999999",
    "0000000000000007_0000000000000007",
    "0000000000000000_0000000000001000",
    "-1&offset=-1",
    "-1&offset=now",
    "9".repeat(5000),
  ];
  for (const offset of offsets) {
    for (const live of ["", "&live=long-poll", "&live=sse"]) {
      const answer = await send(request("GET", `${VICTIM}?offset=${offset}${live}`));
      assert.equal(answer?.status, 400, `offset=${offset.slice(0, 40)}${live}`);
      assertError(answer, 400);
    }
  }
});

Deno.test("TTLs and expiries that are none are 400, and create nothing", async () => {
  const path = `/v1/stream/ttl-${crypto.randomUUID()}`;
  const ttls = ["-1", "+5", "05", "1.5", "1e3", "", "abc", "0x10", "5s", "NaN", "9".repeat(20)];
  const expiries = [
    "",
    "tomorrow",
    "2030-01-01",
    "2030-01-01 00:00:00Z",
    "2030-01-01T00:00:00",
    "2030-13-01T00:00:00Z",
    "2030-01-01T25:00:00Z",
    "2030-01-01T00:00:00+99:00",
    "+275760-09-13T00:00:00Z",
    "1893456000",
  ];
  const refused = [
    ...ttls.map((value) => ["Stream-TTL", value] as const),
    ...expiries.map((value) => ["Stream-Expires-At", value] as const),
    ["Content-Type", "no type"] as const,
    ["Content-Type", "text/plain; x=\xe9"] as const,
    ["Content-Type", `text/${"x".repeat(300)}`] as const,
  ];
  for (const [name, value] of refused) {
    const answer = await send(request("PUT", path, { headers: { [name]: value } }));
    assert.equal(answer?.status, 400, `${name}: ${value.slice(0, 40)}`);
    assertError(answer, 400);
  }
  assertError(await send(request("GET", path)), 404);
});

Deno.test("a date that no calendar has is 400, not the day it would roll over to", async () => {
  for (const value of ["2030-02-30T00:00:00Z", "2030-04-31T12:00:00+01:00"]) {
    const path = `/v1/stream/date-${crypto.randomUUID()}`;
    const headers = { "Stream-Expires-At": value };
    assertError(await send(request("PUT", path, { headers })), 400);
  }
});

Deno.test("an upload that breaks off leaves nothing behind", async () => {
  const head = (framing: Record<string, string>) =>
    request("POST", VICTIM, { headers: { ...plain, ...framing } });
  const broken = [
    head({ "Content-Length": "1000" }) + "0123456789",
    head({ "Transfer-Encoding": "chunked" }) + "5\r\nhello\r\n",
    head({ "Transfer-Encoding": "chunked" }) + "ff\r\nhello",
    head({ "Transfer-Encoding": "chunked", "Stream-Closed": "true" }),
    head({ "Content-Length": "5", "Stream-Closed": "true" }),
    head({ "Content-Length": "10" }).slice(0, -10),
  ];
  for (const text of broken) {
    const gone = await RawConnection.open(node.port);
    await gone.write(text);
    gone.destroy();
    const half = await RawConnection.open(node.port);
    await half.write(text);
    half.finish();
    const answer = await half.answer();
    assertRefused(answer, text.slice(0, 200));
  }
  // And PUT: nothing is created.
  const path = `/v1/stream/broken-${crypto.randomUUID()}`;
  const { sockets } = resourcesOf(node.server.process.pid!);
  const put = await RawConnection.open(node.port);
  await put.write(request("PUT", path, { headers: { ...plain, "Content-Length": "9" } }) + "half");
  put.destroy();
  await eventually(
    10_000,
    "the server's end of the connection",
    () => resourcesOf(node.server.process.pid!).sockets <= sockets || undefined,
  );
  assertError(await send(request("GET", path)), 404);
});

/** What comes of a whole request whose sender has shut down its side. */
async function halfClosed(text: string) {
  const half = await RawConnection.open(node.port);
  await half.write(text);
  half.finish();
  return await half.answer();
}

Deno.test("a request from a half-closed socket counts whole or not at all", async () => {
  const url = await createStream(node.url);
  const path = new URL(url).pathname;
  let acked = 0;
  for (let tries = 0; tries < 10; tries++) {
    const answer = await halfClosed(request("POST", path, { headers: plain, body: "whole;" }));
    if (answer?.status === 204) acked++;
  }
  const { text } = await readAll(url);
  assert.match(text, /^(whole;){0,10}$/);
  assert.ok(text.length >= "whole;".length * acked);
});

Deno.test({
  name: "a client that has shut down its side after the request is still answered",
  // Deno.serve (2.9.6) takes a half-closed socket for a closed one and drops the answer of every
  // handler that is not done by then; Bun.serve (1.4.5) does the same.
  ignore: true,
  async fn() {
    const answer = await halfClosed(request("GET", VICTIM));
    assert.equal(answer?.body, "intact");
  },
});
