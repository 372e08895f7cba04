/** application/json streams keep messages, and messages keep their source text. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { append, createStream, readAll } from "../support/http.ts";
import { expectError, expectStatus, nextOffset, serverForThisFile } from "./support.ts";

const node = serverForThisFile();
const json = { contentType: "application/json" };

/** JSON texts that parsing and writing anew would change, among them. */
const NUMBERS = [
  "0",
  "-0",
  "1.0",
  "1.50",
  "1e400",
  "-1E-400",
  "12345678901234567890",
  "0.1000000000000000055511151231257827",
  "1e5",
];
const STRINGS = [
  `""`,
  `"plain"`,
  `"\\u0041\\/\\b"`,
  `"\\ud83d\\ude00"`,
  `"\\ud800"`,
  `"\\u001e"`,
  `"], [\\"{,"`,
  `"héllo 😀 \u2028"`,
  `"\\\\"`,
];
const SPACES = ["", " ", "\n", "\r\n\t "];

const { text: jsonText } = fc.letrec<{ text: string }>((tie) => {
  const space = fc.constantFrom(...SPACES);
  const key = fc.constantFrom(`"a"`, `"b"`, `"__proto__"`, `"2"`, `"1"`, `"\\u0061"`);
  const member = fc.tuple(key, space, tie("text")).map(([k, s, v]) => `${s}${k}${s}:${v}`);
  return {
    text: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(...NUMBERS),
      fc.constantFrom(...STRINGS, "true", "false", "null"),
      fc.tuple(space, fc.array(tie("text"), { maxLength: 3 }))
        .map(([s, items]) => `[${s}${items.join(`${s},${s}`)}${s}]`),
      fc.array(member, { maxLength: 3 }).map((members) => `{${members.join(",")}}`),
    ),
  };
});

/** One request body and the messages that are in it. */
const batch = fc.tuple(
  fc.array(jsonText, { minLength: 1, maxLength: 5 }),
  fc.boolean(),
  fc.constantFrom(...SPACES),
).map(([texts, alone, space]) => {
  const single = texts[0]!;
  // An array on its own would be flattened: it is only a message inside another.
  if (alone && !single.startsWith("[")) {
    return { body: space + single + space, messages: [single] };
  }
  return {
    body: `${space}[${space}${texts.join(`${space},${space}`)}${space}]${space}`,
    messages: texts,
  };
});

function rendered(messages: readonly string[]): string {
  return `[${messages.join(",")}]`;
}

Deno.test("messages come back with their source text, from every offset given out", async () => {
  await fc.assert(
    fc.asyncProperty(fc.option(batch), fc.array(batch, { maxLength: 6 }), async (first, rest) => {
      const options = first === null ? {} : { body: first.body };
      const url = await createStream(node.url, undefined, { ...json, ...options });
      const known: [offset: string, messages: number][] = [["-1", 0]];
      const messages = [...first?.messages ?? []];
      for (const { body, messages: more } of rest) {
        messages.push(...more);
        known.push([await append(url, body, json), messages.length]);
      }
      for (const [offset, count] of known) {
        assert.equal((await readAll(url, offset)).text, rendered(messages.slice(count)));
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("one level of arrays is flattened, and no more", async () => {
  const url = await createStream(node.url, undefined, json);
  await append(url, `[[1,2],[[3]],[],{"a":[4]}]`, json);
  await append(url, `[[]]`, json);
  assert.equal((await readAll(url)).text, `[[1,2],[[3]],[],{"a":[4]},[]]`);
});

Deno.test("an empty array creates an empty stream, and cannot be appended", async () => {
  const url = await createStream(node.url, undefined, { ...json, body: " [ ] " });
  assert.equal((await readAll(url)).text, "[]");
  for (const headers of [{}, { "stream-closed": "true" }]) {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: "[\n]",
    });
    await expectError(response, 400);
  }
  const read = await readAll(url);
  assert.deepEqual([read.text, read.closed], ["[]", false]);
});

Deno.test("what is not JSON is refused with 400 and leaves nothing behind", async () => {
  const invalid: (string | Uint8Array<ArrayBuffer>)[] = [
    "",
    " ",
    "nope",
    "{",
    `{"a":1`,
    `{"a":1}}`,
    `{"a":1}{"b":2}`,
    `1\n2`,
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1][2]",
    "01",
    "1.",
    ".5",
    "+1",
    "NaN",
    `'a'`,
    `"\n"`,
    `"\\x41"`,
    `{"a":1,}`,
    "\ufeff1",
    "// c\n1",
    "\u001e",
    `"\u001e"`,
    "1\u001e2",
    "\u00a01",
    Uint8Array.of(0x22, 0xff, 0x22),
    Uint8Array.of(0x22, 0xc3, 0x22),
    Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22),
    Uint8Array.of(0xff, 0xfe, 0x31, 0x00),
    Uint8Array.of(0x31, 0x00),
  ];
  const url = await createStream(node.url, undefined, { ...json, body: `"kept"` });
  const headers = { "content-type": "application/json" };
  const closing = { ...headers, "stream-closed": "true" };
  for (const body of invalid) {
    await expectError(await fetch(url, { method: "POST", headers, body }), 400);
    if (body.length === 0) continue;
    await expectError(await fetch(url, { method: "POST", headers: closing, body }), 400);
    const fresh = `${node.url}/v1/stream/invalid-${crypto.randomUUID()}`;
    await expectError(await fetch(fresh, { method: "PUT", headers, body }), 400);
    await expectError(await fetch(fresh), 404);
  }
  const read = await readAll(url);
  assert.deepEqual([read.text, read.closed], [`["kept"]`, false]);
});

Deno.test("an invalid body among valid ones that arrive together spoils none of them", async () => {
  const url = await createStream(node.url, undefined, json);
  const headers = { "content-type": "application/json" };
  const answers = await Promise.all(Array.from({ length: 60 }, async (_, at) => {
    const body = at % 3 === 0 ? `{"n":${at}` : `{"n":${at}}`;
    const response = await fetch(url, { method: "POST", headers, body });
    if (response.status === 400) await expectError(response, 400);
    else await response.body?.cancel();
    return response.status;
  }));
  assert.deepEqual(answers, answers.map((_, at) => at % 3 === 0 ? 400 : 204));
  const read = JSON.parse((await readAll(url)).text) as { n: number }[];
  assert.deepEqual(
    read.map(({ n }) => n).sort((a, b) => a - b),
    answers.flatMap((status, at) => status === 204 ? [at] : []),
  );
});

Deno.test("a message larger than a page comes back whole, between its neighbours", async () => {
  const url = await createStream(node.url, undefined, { ...json, body: `["before",1.0]` });
  const large = `{"large":"${"0123456789abcdef".repeat((5 << 20) / 16)}"}`;
  await append(url, `[${large},"between",${large}]`, json);
  await append(url, `"after"`, json);
  const messages = [`"before"`, "1.0", large, `"between"`, large, `"after"`];
  const pages: string[] = [];
  for (let offset = "-1", last = false; !last;) {
    const response = await fetch(`${url}?offset=${offset}`);
    offset = nextOffset(response);
    last = response.headers.get("stream-up-to-date") === "true";
    const page = await expectStatus(response, 200);
    JSON.parse(page); // whole messages on every page
    pages.push(page.slice(1, -1));
  }
  assert.ok(pages.length >= 2, `${pages.length} pages`);
  assert.ok(pages.join(",") === messages.join(","), "the messages differ");
});

Deno.test("an offset inside a message is refused, never answered with half of one", async () => {
  const url = await createStream(node.url, undefined, json);
  const tail = await append(url, `{"a":"0123456789"}`, json);
  const inside = tail.slice(0, -2) + String(Number(tail.slice(-2)) - 3).padStart(2, "0");
  await expectError(await fetch(`${url}?offset=${inside}`), 400);
});

Deno.test("JSON nested a hundred thousand deep is kept or refused, and breaks nothing", async () => {
  const url = await createStream(node.url, undefined, json);
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: deep,
  });
  if (response.status === 204) {
    await response.body?.cancel();
    assert.ok((await readAll(url)).text === deep);
  } else {
    await expectError(response, 400);
    assert.equal((await readAll(url)).text, "[]");
  }
});

Deno.test("a media type with parameters is JSON too; ndjson and +json are bytes", async () => {
  const url = await createStream(node.url, undefined, {
    contentType: "Application/JSON; charset=utf-8",
  });
  await append(url, "[1]", json);
  assert.equal((await readAll(url)).text, "[1]");
  for (const contentType of ["application/ndjson", "application/vnd.api+json"]) {
    const bytes = await createStream(node.url, undefined, { contentType });
    await append(bytes, "[1", { contentType });
    assert.equal((await readAll(bytes)).text, "[1");
  }
});
