/** Long-poll and SSE on one node (sections 5.7, 5.8, 10.1). */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import {
  elapse,
  Events,
  eventually,
  expectError,
  expectStatus,
  nextOffset,
  noise,
  serverForThisFile,
  within,
} from "./support.ts";

const node = serverForThisFile("postgres");
const brief = serverForThisFile("postgres", { args: ["--long-poll-timeout", "250ms"] });
const closing = { headers: { "stream-closed": "true" } };

function poll(url: string, offset: string, cursor?: string): Promise<Response> {
  const more = cursor === undefined ? "" : `&cursor=${cursor}`;
  const answer = fetch(`${url}?offset=${offset}&live=long-poll${more}`);
  return within(10_000, "a long-poll", answer);
}

async function tailOf(url: string): Promise<string> {
  return nextOffset(await fetch(url, { method: "HEAD" }));
}

Deno.test("a long-poll that nothing wakes ends with 204, the tail and a cursor", async () => {
  const url = await createStream(brief.url, undefined, { body: "x" });
  const tail = await tailOf(url);
  for (const offset of [tail, "now"]) {
    const started = Date.now();
    const response = await poll(url, offset);
    assert.ok(Date.now() - started >= 200, "it waited");
    assert.equal(nextOffset(response), tail);
    assert.equal(response.headers.get("stream-up-to-date"), "true");
    assert.equal(response.headers.get("stream-closed"), null);
    assert.match(response.headers.get("stream-cursor") ?? "", /^[0-9]+$/);
    assert.doesNotMatch(response.headers.get("cache-control") ?? "", /public/);
    assert.equal(await expectStatus(response, 204), "");
  }
});

Deno.test("cursors never go back, and a client's that is ahead is exceeded", async () => {
  const url = await createStream(brief.url, undefined, { body: "x" });
  const tail = await tailOf(url);
  const cursorOf = async (offset: string, cursor?: string) => {
    const response = await poll(url, offset, cursor);
    await response.body?.cancel();
    return response.headers.get("stream-cursor")!;
  };
  for (const offset of ["-1", tail]) {
    let cursor = await cursorOf(offset);
    for (let turn = 0; turn < 3; turn++) {
      const next = await cursorOf(offset, cursor);
      assert.ok(Number(next) > Number(cursor), `${next} after ${cursor}`);
      cursor = next;
    }
    const ahead = String(Number(cursor) + 1_000_000);
    assert.ok(Number(await cursorOf(offset, ahead)) > Number(ahead));
    for (const junk of ["", "abc", "-5", "1e9", "99999999999999999999"]) {
      assert.match(await cursorOf(offset, junk), /^[0-9]{1,16}$/);
    }
    const events = await Events.open(url, tail, `&cursor=${ahead}`);
    assert.ok(Number((await events.control()).streamCursor) > Number(ahead));
    await events.close();
  }
});

Deno.test("a long-poll wakes on an append, and what is there already does not wait", async () => {
  const url = await createStream(node.url, undefined, { body: "old" });
  assert.equal(await expectStatus(await poll(url, "-1"), 200), "old");
  for (const from of ["the tail", "now"]) {
    const offset = from === "now" ? from : await tailOf(url);
    let answered = false;
    const waiting = poll(url, offset).finally(() => answered = true);
    // A poll from "now" that begins after an append waits for the next one.
    const ends: string[] = [];
    await eventually(10_000, `the wake-up of a poll from ${from}`, async () => {
      ends.push(await append(url, "new"));
      return answered || undefined;
    });
    const response = await waiting;
    assert.ok(ends.includes(nextOffset(response)));
    assert.equal(response.headers.get("stream-up-to-date"), "true");
    assert.ok(response.headers.get("stream-cursor"));
    assert.equal(response.headers.get("etag") === null, from === "now");
    assert.match(await expectStatus(response, 200), /^(new)+$/);
  }
});

Deno.test("a closed stream answers its end at once, and closing wakes whoever waits", async () => {
  const url = await createStream(node.url, undefined, { body: "x" });
  const tail = await tailOf(url);
  const waiting = poll(url, tail);
  const events = await Events.open(url, tail);
  await events.control();
  await append(url, "", closing);
  for (const answer of [waiting, poll(url, tail), poll(url, "now")]) {
    const response = await within(2000, "the end", answer);
    assert.equal(response.headers.get("stream-closed"), "true");
    assert.equal(response.headers.get("stream-up-to-date"), "true");
    assert.equal(nextOffset(response), tail);
    assert.equal(await expectStatus(response, 204), "");
  }
  const whole = await poll(url, "-1");
  assert.equal(whole.headers.get("stream-closed"), "true");
  assert.equal(await expectStatus(whole, 200), "x");

  assert.deepEqual(await events.control(), {
    streamNextOffset: tail,
    upToDate: true,
    streamClosed: true,
  });
  assert.equal(await events.next(), undefined, "the connection ends");
  for (const offset of [tail, "now"]) {
    const late = await Events.open(url, offset);
    assert.equal((await late.control()).streamClosed, true);
    assert.equal(await late.next(), undefined);
  }
});

Deno.test("an append that closes gives its followers the bytes and the end", async () => {
  for (let round = 0; round < 10; round++) {
    const url = await createStream(node.url);
    const tail = await tailOf(url);
    const events = await Events.open(url, tail);
    await events.control();
    const waiting = poll(url, tail);
    await append(url, "a");
    await append(url, "b", closing);
    let seen = "";
    for (let event = await events.next(); event !== undefined; event = await events.next()) {
      if (event.event === "data") seen += event.data;
      else if (event.data.includes("streamClosed")) seen += ".";
    }
    assert.equal(seen, "ab.");
    assert.match(await expectStatus(await waiting, 200), /^ab?$/);
  }
});

Deno.test("SSE: a control event after every data event, resumable from each", async () => {
  const url = await createStream(node.url, undefined, { body: "0;" });
  const events = await Events.open(url, "-1");
  assert.equal(events.response.headers.get("x-accel-buffering"), "no");
  assert.match(events.response.headers.get("cache-control") ?? "", /no-cache|no-store/);
  assert.equal(events.response.headers.get("stream-sse-data-encoding"), null);
  let text = await events.data();
  let control = await events.control();
  for (let at = 1; at <= 20; at++) {
    const end = await append(url, `${at};`);
    text += await events.data();
    control = await events.control();
    assert.equal(control.streamNextOffset, end);
    assert.equal(control.upToDate, true);
  }
  await events.close();
  assert.equal(text, Array.from({ length: 21 }, (_, at) => `${at};`).join(""));
  const resumed = await Events.open(url, control.streamNextOffset);
  assert.equal((await resumed.control()).upToDate, true);
  await append(url, "more");
  assert.equal(await resumed.data(), "more");
  await resumed.close();
});

Deno.test("SSE: bursts keep the order of events, and lose and double nothing", async () => {
  const url = await createStream(node.url);
  const events = await Events.open(url, "-1");
  let sent = "";
  const ends: string[] = [];
  const write = async () => {
    for (let at = 0; at < 150; at++) {
      sent += `<${at}>`;
      ends.push(await append(url, `<${at}>`, at === 149 ? closing : {}));
    }
  };
  const writing = write();
  let text = "";
  let last = "";
  for (let event = await events.next(); event !== undefined; event = await events.next()) {
    assert.ok(event.event !== "data" || last !== "data", "two data events, no control event");
    last = event.event;
    if (event.event === "data") text += event.data;
  }
  await writing;
  assert.equal(text, sent);
  assert.equal(last, "control");
});

Deno.test("SSE: characters and line ends split over two appends are never torn", async () => {
  const splits: [name: string, parts: (string | number[])[], expected: string][] = [
    ["4 bytes after 1", [[0x61, 0xf0], [0x9f, 0x98, 0x80, 0x62]], "a😀b"],
    ["4 bytes after 3", [[0xf0, 0x9f, 0x98], [0x80]], "😀"],
    ["4 bytes, one by one", [[0xf0], [0x9f], [0x98], [0x80], [0x2e]], "😀."],
    ["3 bytes after 2", [[0xe2, 0x82], [0xac]], "€"],
    ["2 bytes", [[0xc3], [0xa9]], "é"],
    ["CR | LF", ["a\r", "\nb"], "a\nb"],
    ["CR | text", ["a\r", "b"], "a\nb"],
    ["CR | CR LF", ["a\r", "\r\nb"], "a\n\nb"],
    ["LF | LF", ["a\n", "\nb"], "a\n\nb"],
    [
      "a line that looks like a field",
      ["x\n", "event: control\ndata: {}\n\nid: 1"],
      [
        "x",
        "event: control",
        "data: {}",
        "",
        "id: 1",
      ].join("\n"),
    ],
    ["spaces at the beginning", [" a\n  b", " c"], " a\n  b c"],
    ["U+2028", ["a\u2028", "\u2029b"], "a\u2028\u2029b"],
  ];
  const followed = async (name: string, parts: (string | number[])[], expected: string) => {
    const bodies = parts.map((part) =>
      typeof part === "string" ? new TextEncoder().encode(part) : Uint8Array.from(part)
    );
    const url = await createStream(node.url);
    const events = await Events.open(url, "-1");
    await events.control();
    let text = "";
    for (const [at, body] of bodies.entries()) {
      const last = at === bodies.length - 1;
      await append(url, body, last ? closing : {});
      // What is held back has no data event; a control event there is all the same.
      for (let ready = false; !ready;) {
        const event = await events.next();
        if (event === undefined) break;
        if (event.event === "data") text += event.data;
        else ready = !last;
      }
    }
    assert.equal(text, expected, name);
  };
  await Promise.all(splits.map(([name, parts, expected]) => followed(name, parts, expected)));
});

Deno.test("SSE: an offset given while a character is half there resumes at its beginning", async () => {
  const url = await createStream(node.url);
  await append(url, Uint8Array.of(0x61, 0xf0, 0x9f));
  const events = await Events.open(url, "-1");
  assert.equal(await events.data(), "a");
  const { streamNextOffset } = await events.control();
  await events.close();
  await append(url, Uint8Array.of(0x98, 0x80));
  const resumed = await Events.open(url, streamNextOffset);
  assert.equal(await resumed.data(), "😀");
  await resumed.close();
});

Deno.test("SSE: binary streams go as base64 and say so; JSON as arrays", async () => {
  const contentType = "application/octet-stream";
  const url = await createStream(node.url, undefined, { contentType });
  const events = await Events.open(url, "-1");
  assert.equal(events.response.headers.get("stream-sse-data-encoding"), "base64");
  await events.control();
  const bytes = noise(1000, 5);
  const half = await append(url, bytes.slice(0, 333), { contentType });
  const first = await events.textUntil(half);
  const end = await append(url, bytes.slice(333), { contentType });
  const second = await events.textUntil(end);
  const decoded = [first, second].map((text) => Uint8Array.fromBase64(text.replaceAll("\n", "")));
  assert.deepEqual([...decoded[0]!, ...decoded[1]!], [...bytes]);
  await events.close();

  const json = { contentType: "application/json" };
  const messages = await createStream(node.url, undefined, { ...json, body: `[1.0,"\\r\\n"]` });
  const following = await Events.open(messages, "-1");
  assert.equal(following.response.headers.get("stream-sse-data-encoding"), null);
  assert.equal(await following.data(), `[1.0,"\\r\\n"]`);
  await following.control();
  await append(messages, `{"a":\r\n[1]}`, json);
  assert.equal(await following.data(), `[{"a":\n[1]}]`);
  await following.close();
});

Deno.test("SSE: a large backlog comes in bounded events, whole", async () => {
  const contentType = "application/octet-stream";
  const url = await createStream(node.url, undefined, { contentType });
  const bytes = noise(5 << 20, 11);
  await append(url, bytes, { contentType, ...closing });
  const events = await Events.open(url, "-1");
  let base64 = 0;
  let seen = 0;
  for (let event = await events.next(20_000); event; event = await events.next(20_000)) {
    if (event.event !== "data") continue;
    const part = Uint8Array.fromBase64(event.data.replaceAll("\n", ""));
    for (let at = 0; at < part.length; at += 997) assert.equal(part[at], bytes[seen + at]);
    seen += part.length;
    base64 = Math.max(base64, event.data.length);
  }
  assert.equal(seen, bytes.length);
  assert.ok(base64 < 2 << 20, `an event of ${base64} characters`);
});

Deno.test("SSE: no character and no line end is torn where the server cuts a backlog", async () => {
  // Three bytes a character and two a line end, shifted: some cut falls inside each of them.
  for (const shift of ["", "a", "ab"]) {
    const text = shift + "€\r\n".repeat(160_000);
    const url = await createStream(node.url, undefined, { body: text });
    const end = await append(url, "the end", closing);
    const events = await Events.open(url, "-1");
    const seen = await events.textUntil(end, 20_000);
    assert.ok(seen === text.replaceAll("\r\n", "\n") + "the end", `shifted by "${shift}"`);
    await events.close();
  }
});

Deno.test("deleting a stream ends its followers", async () => {
  const url = await createStream(node.url, undefined, { body: "x" });
  const tail = await tailOf(url);
  const events = await Events.open(url, tail);
  await events.control();
  const waiting = poll(url, tail);
  await elapse(50, "so that the long-poll waits already; either way must do");
  await expectStatus(await fetch(url, { method: "DELETE" }), 204);
  await expectError(await within(3000, "the long-poll's end", waiting), 404);
  assert.equal(await events.next(3000), undefined);
});

Deno.test("followers ask for an offset, a known mode, and a stream that is there", async () => {
  const url = await createStream(node.url, undefined, { body: "x" });
  const beyond = `0000000000000099${(await tailOf(url)).slice(16)}`;
  for (const query of ["live=sse", "live=long-poll", "live=x&offset=-1", "live=&offset=-1"]) {
    await expectError(await fetch(`${url}?${query}`), 400);
  }
  for (const live of ["sse", "long-poll"]) {
    await expectError(await fetch(`${url}-not?offset=-1&live=${live}`), 404);
    await expectError(await fetch(`${url}?offset=nonsense&live=${live}`), 400);
    await expectError(await fetch(`${url}?offset=${beyond}&live=${live}`), 400);
  }
});
