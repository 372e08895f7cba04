/** Trimming and retention at the socket: what is dropped, what is kept, and what readers are told. */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import {
  Events,
  eventually,
  expectError,
  expectStatus,
  type FileServer,
  nextOffset,
  serverForThisFile,
  withServer,
  withStorage,
} from "./support.ts";

const RULES = "rules/**: bytes=1000; rules/never/**: age=1s; aged/*: age=1s";
const NODES: Readonly<Record<string, FileServer>> = {
  "deno, postgres": serverForThisFile("postgres", { args: ["--retention", RULES] }),
  "bun, embedded": serverForThisFile("embedded", {
    runtime: "bun",
    args: ["--retention", RULES],
  }),
};

function test(name: string, body: (node: FileServer) => Promise<void>): void {
  for (const [kind, node] of Object.entries(NODES)) {
    Deno.test(`${name} (${kind})`, () => body(node));
  }
}

const ZERO = "0000000000000000_0000000000000000";
const JSON_TYPE = "application/json";
const nameOf = (url: string) => new URL(url).pathname.replace("/v1/stream/", "");

function trimRequest(url: string, body: unknown, query = ""): Promise<Response> {
  const { origin } = new URL(url);
  return fetch(`${origin}/v1/stream/__ds/streams/${nameOf(url)}/trim${query}`, {
    method: "POST",
    headers: { "content-type": JSON_TYPE },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

async function trim(url: string, before: string): Promise<string> {
  const text = await expectStatus(await trimRequest(url, { before }), 200);
  const { earliest_offset: earliest, ...others } = JSON.parse(text);
  assert.deepEqual(others, {});
  return earliest;
}

/** Appends each text by itself; the offsets before each, and at the end. */
async function appendAll(url: string, contentType: string, texts: string[]): Promise<string[]> {
  const offsets = [nextOffset(await fetch(url, { method: "HEAD" }))];
  for (const text of texts) {
    offsets.push(await append(url, text, { contentType }));
  }
  return offsets;
}

async function assertTrimmed(response: Response, earliest: string): Promise<void> {
  assert.equal(response.headers.get("stream-earliest-offset"), earliest);
  assert.equal(await expectError(response, 410), "OFFSET_TRIMMED");
}

test("what is dropped is 410 in every mode, and -1 begins at the earliest left", async (node) => {
  const url = await createStream(node.url, undefined, { contentType: JSON_TYPE });
  const offsets = await appendAll(url, JSON_TYPE, ['{"n":0}', '[{"n":1},{"n":2}]', '{"n":3}']);
  assert.equal((await fetch(url, { method: "HEAD" })).headers.get("stream-earliest-offset"), null);
  assert.equal(await trim(url, offsets[1]!), offsets[1]);

  const head = await fetch(url, { method: "HEAD" });
  assert.equal(head.headers.get("stream-earliest-offset"), offsets[1]);
  for (const from of ["?offset=-1", "", `?offset=${offsets[1]}`]) {
    assert.equal(await expectStatus(await fetch(url + from), 200), '[{"n":1},{"n":2},{"n":3}]');
  }
  for (const live of ["", "&live=long-poll", "&live=sse"]) {
    await assertTrimmed(await fetch(`${url}?offset=${ZERO}${live}`), offsets[1]!);
  }
  const poll = await fetch(`${url}?offset=-1&live=long-poll`);
  assert.equal(await expectStatus(poll, 200), '[{"n":1},{"n":2},{"n":3}]');
  const events = await Events.open(url, "-1");
  assert.deepEqual(JSON.parse(await events.data()), [{ n: 1 }, { n: 2 }, { n: 3 }]);
  await events.close();
  const resumed = await fetch(`${url}?offset=${offsets[2]}&live=sse`, {
    headers: { "last-event-id": ZERO },
  });
  await assertTrimmed(resumed, offsets[1]!);
});

test("an answered 304 and a cached page do not outlive the trim", async (node) => {
  const url = await createStream(node.url);
  const offsets = await appendAll(url, "text/plain", ["abc", "def"]);
  const from = `${url}?offset=${ZERO}`;
  const first = await fetch(from);
  assert.equal(await expectStatus(first, 200), "abcdef");
  const etag = first.headers.get("etag")!;
  await expectStatus(await fetch(from, { headers: { "if-none-match": etag } }), 304);
  await trim(url, offsets[1]!);
  await assertTrimmed(await fetch(from, { headers: { "if-none-match": etag } }), offsets[1]!);
  await assertTrimmed(await fetch(from), offsets[1]!);
  const beginning = await fetch(url, { headers: { "if-none-match": etag } });
  assert.equal(await expectStatus(beginning, 200), "def");
  assert.equal(beginning.headers.get("cache-control"), "no-cache");
});

test("a trim is between messages, inside the stream, of this stream, and goes forward", async (node) => {
  const url = await createStream(node.url, undefined, { contentType: JSON_TYPE });
  const offsets = await appendAll(url, JSON_TYPE, ["1", "2", "3"]);
  const inside = offsets[1]!.replace(
    /^\d+/,
    (digits) => String(Number(digits) - 1).padStart(16, "0"),
  );
  const beyond = offsets[3]!.replace(
    /^\d+/,
    (digits) => String(Number(digits) + 9).padStart(16, "0"),
  );
  const foreign = await createStream(node.url, undefined, {
    contentType: JSON_TYPE,
    body: "[1,2]",
  });
  const foreignTail = nextOffset(await fetch(foreign, { method: "HEAD" }));
  const bad: [unknown, number, string][] = [
    [{ before: inside }, 400, "OFFSET_INSIDE_MESSAGE"],
    [{ before: beyond }, 400, "OFFSET_BEYOND_TAIL"],
    [{ before: foreignTail }, 410, "OFFSET_OF_ANOTHER_STREAM"],
    [{ before: "soon" }, 400, "INVALID_REQUEST"],
    [{ before: 7 }, 400, "INVALID_REQUEST"],
    [{}, 400, "INVALID_REQUEST"],
    [{ before: offsets[1], after: "x" }, 400, "INVALID_REQUEST"],
    ["[]", 400, "INVALID_REQUEST"],
    ["{", 400, "INVALID_REQUEST"],
  ];
  for (const [body, status, code] of bad) {
    assert.equal(await expectError(await trimRequest(url, body), status), code);
  }
  const query = await trimRequest(url, { before: offsets[1] }, "?dry=1");
  assert.equal(await expectError(query, 400), "INVALID_REQUEST");
  const missing = await trimRequest(`${node.url}/v1/stream/no/such`, { before: "now" });
  assert.equal(await expectError(missing, 404), "STREAM_NOT_FOUND");
  const got = await fetch(`${node.url}/v1/stream/__ds/streams/${nameOf(url)}/trim`, {
    method: "PUT",
  });
  assert.equal(await expectError(got, 405), "METHOD_NOT_ALLOWED");
  assert.equal(await expectStatus(await fetch(url), 200), "[1,2,3]");

  assert.equal(await trim(url, "-1"), ZERO);
  assert.equal(await trim(url, offsets[2]!), offsets[2]);
  assert.equal(await trim(url, offsets[1]!), offsets[2], "it never goes back");
  assert.equal(await trim(url, "now"), offsets[3]);
  assert.equal(await expectStatus(await fetch(url), 200), "[]");
  await append(url, "4", { contentType: JSON_TYPE });
  assert.equal(await expectStatus(await fetch(url), 200), "[4]");
});

test("a follower that is behind gets 410, and one that waits gets all", async (node) => {
  const url = await createStream(node.url);
  const offsets = await appendAll(url, "text/plain", ["one", "two"]);
  const events = await Events.open(url, offsets[2]!);
  await events.control();
  await trim(url, offsets[1]!);
  const [last] = (await appendAll(url, "text/plain", ["three"])).slice(-1);
  assert.equal(await events.textUntil(last!), "three");
  await trim(url, last!);
  const after = (await appendAll(url, "text/plain", ["four"])).at(-1)!;
  assert.equal(await events.textUntil(after), "four");
  await events.close();
  await assertTrimmed(await fetch(`${url}?offset=${offsets[2]}&live=long-poll`), last!);
});

test("forks keep what they need, and a trimmed source says so", async (node) => {
  const url = await createStream(node.url);
  const offsets = await appendAll(url, "text/plain", ["one", "two", "three"]);
  const fork = async (at: string) => {
    const target = `${node.url}/v1/stream/fork-${crypto.randomUUID()}`;
    const headers = { "stream-forked-from": new URL(url).pathname, "stream-fork-offset": at };
    const response = await fetch(target, { method: "PUT", headers });
    return { target, response };
  };
  const before = await fork(offsets[2]!);
  await expectStatus(before.response, 201);
  await trim(url, offsets[2]!);
  assert.equal(await expectStatus(await fetch(before.target), 200), "onetwo");
  await assertTrimmed((await fork(offsets[1]!)).response, offsets[2]!);
  await assertTrimmed((await fork("-1")).response, offsets[2]!);
  const at = await fork(offsets[2]!);
  await expectStatus(at.response, 201);
  assert.equal(await expectStatus(await fetch(at.target), 200), "");
  const later = await fork(offsets[3]!);
  await expectStatus(later.response, 201);
  assert.equal(await expectStatus(await fetch(later.target), 200), "three");
  await assertTrimmed(await fetch(`${later.target}?offset=${offsets[1]}`), offsets[2]!);
  assert.equal(await trim(before.target, offsets[1]!), offsets[1]);
  assert.equal(await expectStatus(await fetch(before.target), 200), "two");
  await expectStatus(await fetch(url, { method: "DELETE" }), 204);
  assert.equal(await expectStatus(await fetch(before.target), 200), "two");
});

test("Stream-Retention is a structured field on PUT, and answered by HEAD", async (node) => {
  const url = `${node.url}/v1/stream/kept-${crypto.randomUUID()}`;
  const put = (retention: string) =>
    fetch(url, { method: "PUT", headers: { "stream-retention": retention } });
  for (
    const bad of [
      ...[
        "",
        "age",
        "age=1d",
        "age=0",
        "age=-1",
        "age=1.5",
        "bytes=10GiB",
        "size=4",
        "age=1, age=2",
      ],
      ...["age=1; strict", "AGE=1", "age=99999999999", "age=1 bytes=2", "age=1,"],
    ]
  ) {
    assert.equal(await expectError(await put(bad), 400), "INVALID_RETENTION", bad);
  }
  await expectStatus(await put("bytes=10737418240,age=604800"), 201);
  await expectStatus(await put("age=604800, bytes=10737418240"), 200);
  assert.equal(await expectError(await put("age=604800"), 409), "CONFLICT");
  const head = await fetch(url, { method: "HEAD" });
  assert.equal(head.headers.get("stream-retention"), "age=604800, bytes=10737418240");
  const ruled = await createStream(node.url, `rules/${crypto.randomUUID()}`);
  const byRule = await fetch(ruled, { method: "HEAD" });
  assert.equal(byRule.headers.get("stream-retention"), "bytes=1000");
});

// The nodes are waited for side by side.
Deno.test("rules and the header drop what is too much or too old, and keep the rest", async () => {
  await Promise.all(Object.values(NODES).map(assertRulesApply));
});

async function assertRulesApply(node: FileServer): Promise<void> {
  const filler = (letter: string) => letter.repeat(400);
  const ruled = await createStream(node.url, `rules/${crypto.randomUUID()}`);
  const own = `${node.url}/v1/stream/rules/${crypto.randomUUID()}`;
  const headers = { "stream-retention": "bytes=10000", "content-type": "text/plain" };
  await expectStatus(await fetch(own, { method: "PUT", headers }), 201);
  const aged = await createStream(node.url, `aged/${crypto.randomUUID()}`);
  await appendAll(aged, "text/plain", ["old", "er"]);
  const letters = ["a", "b", "c", "d", "e"];
  for (const url of [ruled, own]) await appendAll(url, "text/plain", letters.map(filler));
  // The 1,000 bytes that are kept begin inside "c": all of it stays.
  const expected = filler("c") + filler("d") + filler("e");
  await eventually(40_000, "the rules are applied", async () => {
    const left = await expectStatus(await fetch(ruled), 200);
    const young = await expectStatus(await fetch(aged), 200);
    return left === expected && young === "" ? true : undefined;
  });
  assert.equal((await expectStatus(await fetch(own), 200)).length, 2000);
  await appendAll(aged, "text/plain", ["new"]);
  assert.equal(await expectStatus(await fetch(aged), 200), "new");
}

Deno.test("a trim that one node has answered holds on another at once, its followers included", () =>
  withStorage(
    "postgres",
    (database) =>
      withServer({ database }, (one) =>
        withServer({ database, runtime: "bun" }, async (two) => {
          const url = await createStream(one.url);
          const offsets = await appendAll(url, "text/plain", ["one", "two", "three"]);
          const there = url.replace(one.url, two.url);
          assert.equal(await expectStatus(await fetch(there), 200), "onetwothree");
          for (let at = 1; at <= 3; at++) {
            await trim(url, offsets[at]!);
            await assertTrimmed(await fetch(`${there}?offset=${offsets[at - 1]}`), offsets[at]!);
          }
          assert.equal(await expectStatus(await fetch(there), 200), "");
        })),
  ));
