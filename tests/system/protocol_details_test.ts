/**
 * Details of single answers that clients rely on, at the socket and on both runtimes: what fetch
 * would tidy up is seen as it was sent.
 */
import assert from "node:assert/strict";
import { append, createStream, rawRequest, readAll } from "../support/http.ts";
import { type RunningServer, type Runtime, startServer } from "../support/server.ts";
import { assertError, converse, RawConnection, request } from "./raw.ts";
import { expectError, expectStatus, withStorage } from "./support.ts";

const STEPS: Record<string, (server: RunningServer) => Promise<void>> = {
  "HEAD does not give a length that GET would not have": headHasNoLength,
  "a body with a content coding is refused": codedBodiesAreRefused,
  "a fork names its source by path, with or without a slash, or by URL": forksBySourceUrl,
  "a URL of another server, or with a query, is no source": foreignSourcesAreRefused,
  "messages begin with the words that clients look for": messagesBeginWithKnownWords,
  "a stream that curl made a form is told from others": formsAreExplained,
};

for (const runtime of ["deno", "bun"] as const satisfies readonly Runtime[]) {
  Deno.test(`details of answers, on ${runtime}`, async (t) => {
    await withStorage("postgres", async (database) => {
      const args = ["--public-url", "https://streams.example"];
      const server = await startServer({ runtime, database, args });
      try {
        for (const [name, check] of Object.entries(STEPS)) await t.step(name, () => check(server));
      } finally {
        await server.kill();
      }
    });
  });
}

function portOf(server: RunningServer): number {
  return Number(new URL(server.url).port);
}

async function headHasNoLength(server: RunningServer): Promise<void> {
  for (const contentType of ["text/plain", "application/json"]) {
    const url = await createStream(server.url, undefined, { contentType });
    const body = contentType === "text/plain" ? "hello world" : "[1]";
    const offset = await append(url, body, { contentType });
    const head = `HEAD ${new URL(url).pathname} HTTP/1.1\r\nHost: localhost\r\n`;
    // Two on one connection: the first answer has to end where its head does.
    const text = `${head}\r\n${head}Connection: close\r\n\r\n`;
    const answers = await answersUntilClosed(server, text);
    assert.equal(answers.length, 2, answers.join("\n---\n"));
    for (const answer of answers) {
      assert.match(answer, /^HTTP\/1.1 200/);
      assert.match(answer, new RegExp(`stream-next-offset: ${offset}`, "i"));
      assert.doesNotMatch(answer, /content-length/i);
    }
    const response = await fetch(url, { method: "HEAD" });
    assert.equal(await expectStatus(response, 200), "");
  }
  const missing = await fetch(`${server.url}/v1/stream/missing`, { method: "HEAD" });
  assert.equal(missing.status, 404);
}

/** The heads of answers without bodies, in order. */
async function answersUntilClosed(server: RunningServer, text: string): Promise<string[]> {
  const connection = await RawConnection.open(portOf(server));
  const [first, second] = text.split(/(?<=\r\n\r\n)/) as [string, string];
  await connection.write(first);
  await connection.received("\r\n\r\n");
  await connection.write(second);
  return (await connection.text()).split(/(?<=\r\n\r\n)/);
}

async function codedBodiesAreRefused(server: RunningServer): Promise<void> {
  const url = await createStream(server.url);
  const path = new URL(url).pathname;
  const headers = { "content-type": "text/plain", "content-encoding": "gzip" };
  for (const method of ["POST", "PUT"]) {
    for (const coding of ["gzip", "br", "GZIP", "identity, gzip", "x"]) {
      const answer = await converse(
        portOf(server),
        request(method, path, { headers: { ...headers, "content-encoding": coding }, body: "abc" }),
      );
      assert.equal(assertError(answer, 415), "UNSUPPORTED_CONTENT_ENCODING");
      assert.equal(answer?.headers.get("accept-encoding"), "identity");
    }
  }
  const subscription = await fetch(`${server.url}/v1/stream/__ds/subscriptions/coded`, {
    method: "PUT",
    headers,
    body: "{}",
  });
  assert.equal(await expectError(subscription, 415), "UNSUPPORTED_CONTENT_ENCODING");
  await append(url, "plain", { headers: { "content-encoding": "identity" } });
  assert.equal((await readAll(url)).text, "plain");
}

async function forksBySourceUrl(server: RunningServer): Promise<void> {
  const source = await createStream(server.url, `so urce/${crypto.randomUUID()}`, { body: "abc" });
  const { pathname, host, port } = new URL(source);
  const name = pathname.slice("/v1/stream/".length);
  const sources = [
    name,
    `/${name}`,
    pathname,
    source,
    source.replace("http:", "HTTP:"),
    `https://${host}${pathname}`,
    `http://localhost:${port}${pathname}`,
    `https://streams.example${pathname}`,
  ];
  for (const from of sources) {
    const fork = await createStream(server.url, undefined, {
      headers: { "stream-forked-from": from },
    });
    assert.equal((await readAll(fork)).text, "abc", from);
  }
}

async function foreignSourcesAreRefused(server: RunningServer): Promise<void> {
  const source = await createStream(server.url);
  const { pathname, host } = new URL(source);
  const refused = {
    FOREIGN_STREAM: [
      `http://elsewhere.example${pathname}`,
      `http://127.0.0.1:1${pathname}`,
      `https://streams.example:4437${pathname}`,
    ],
    INVALID_PATH: [
      `http://${host}/v1/stream/a/../b`,
      `http://${host}/other/x`,
      `http://${host}`,
      `${source}?offset=-1`,
      `${pathname}#x`,
      `//${host}${pathname}`,
      `ftp://${host}${pathname}`,
      `http://u@${host}${pathname}`,
    ],
  };
  for (const [code, sources] of Object.entries(refused)) {
    for (const from of sources) {
      const answer = await fetch(`${server.url}/v1/stream/fork-${crypto.randomUUID()}`, {
        method: "PUT",
        headers: { "content-type": "text/plain", "stream-forked-from": from },
      });
      assert.equal(await expectError(answer, 400), code, from);
    }
  }
}

async function messageOf(response: Response): Promise<string> {
  const { error } = await response.json() as { error: { message: string } };
  return error.message;
}

/** The PHP client tells sequence conflicts by these words, Elixir's tests by the first of them. */
async function messagesBeginWithKnownWords(server: RunningServer): Promise<void> {
  const url = await createStream(server.url, undefined, { body: "a" });
  const post = (headers: Record<string, string>, body = "x") =>
    fetch(url, { method: "POST", headers: { "content-type": "text/plain", ...headers }, body });
  await post({ "stream-seq": "b" });
  assert.match(await messageOf(await post({ "stream-seq": "a" })), /^Sequence conflict: /);
  const producer = { "producer-id": "p", "producer-epoch": "1" };
  assert.match(
    await messageOf(await post({ ...producer, "producer-seq": "5" })),
    /^Sequence conflict: /,
  );
  await (await post({ ...producer, "producer-seq": "0" })).text();
  const stale = await post({ ...producer, "producer-epoch": "0", "producer-seq": "0" });
  assert.match(await messageOf(stale), /^Stale epoch: /);
  const other = { "content-type": "application/json" };
  assert.match(await messageOf(await post(other, "1")), /^Content-type mismatch: /);
  const put = await fetch(url, { method: "PUT", headers: other });
  assert.match(await messageOf(put), /^Stream already exists with different configuration: /);
  await (await post({ "stream-closed": "true" })).text();
  assert.match(await messageOf(await post({})), /^Stream is closed/);
  const missing = `${server.url}/v1/stream/missing-${crypto.randomUUID()}`;
  assert.match(await messageOf(await fetch(missing)), /^Stream not found/);
}

async function formsAreExplained(server: RunningServer): Promise<void> {
  const path = `/v1/stream/form-${crypto.randomUUID()}`;
  // As curl -X PUT -d '{"a":1}' sends it.
  const head =
    `PUT ${path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.9.1\r\nAccept: */*\r\n` +
    "Content-Length: 7\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n";
  const created = await rawRequest("127.0.0.1", portOf(server), head + '{"a":1}');
  assert.equal(created.status, 201);
  const refused = await fetch(server.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"a":2}',
  });
  assert.equal(refused.status, 409);
  const message = await messageOf(refused);
  assert.match(message, /application\/x-www-form-urlencoded/);
  assert.match(message, /curl -d/);
  assert.match(message, /-H 'Content-Type: /);
  await append(server.url + path, '{"a":2}', { contentType: "application/x-www-form-urlencoded" });
  assert.equal((await readAll(server.url + path)).text, '{"a":1}{"a":2}');
}
