/** One client's large JSON body is not another's wait, on both runtimes; and depth has a bound. */
// Runs alone: it measures how long small requests take.
import assert from "node:assert/strict";
import { append, createStream, readAll } from "../support/http.ts";
import { type Runtime } from "../support/server.ts";
import { memory } from "./overload_support.ts";
import { expectError, serverForThisFile } from "./support.ts";

const MIB = 1 << 20;
const JSON_TYPE = { "content-type": "application/json" };

function post(url: string, body: BodyInit): Promise<Response> {
  return fetch(url, { method: "POST", headers: JSON_TYPE, body });
}

/** Sent by a thread of its own, which keeps nothing here from measuring. Returns the status. */
function postFromThread(url: string, body: Uint8Array, contentType: string): Promise<number> {
  const code = `self.onmessage = async ({ data: { url, body, contentType } }) => {
    const headers = { "content-type": contentType };
    const response = await fetch(url, { method: "POST", headers, body });
    await response.text();
    self.postMessage(response.status);
  };`;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" });
  return new Promise<number>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data as number);
    worker.onerror = reject;
    worker.postMessage({ url, body, contentType });
  }).finally(() => worker.terminate());
}

/** The longest that a HEAD request took while the work was in progress. Milliseconds. */
async function longestWait(url: string, work: Promise<unknown>): Promise<number> {
  let over = false;
  void work.catch(() => {}).finally(() => over = true);
  let longest = 0;
  while (!over) {
    const began = performance.now();
    await (await fetch(url, { method: "HEAD" })).body?.cancel();
    longest = Math.max(longest, performance.now() - began);
  }
  return longest;
}

for (const runtime of ["deno", "bun"] as const satisfies readonly Runtime[]) {
  const node = serverForThisFile("postgres", { runtime });

  Deno.test(`JSON nested millions deep is 400 at once, on ${runtime}`, async () => {
    const url = await createStream(node.url, undefined, { contentType: "application/json" });
    const before = memory(node.server);
    const deep = "[".repeat(8 * MIB - 1) + "]".repeat(8 * MIB - 1);
    const objects = '{"a":'.repeat(2 * MIB) + "1" + "}".repeat(2 * MIB);
    for (const body of [deep, objects].map((text) => new TextEncoder().encode(text))) {
      assert.equal(await expectError(await post(url, body), 400), "JSON_TOO_DEEP");
      const created = await fetch(`${url}-put`, { method: "PUT", headers: JSON_TYPE, body });
      assert.equal(await expectError(created, 400), "JSON_TOO_DEEP");
    }
    assert.ok(memory(node.server) - before < 300, `${memory(node.server) - before} MiB`);
    const short = await post(url, "[".repeat(1001) + "]".repeat(1001));
    assert.equal(await expectError(short, 400), "JSON_TOO_DEEP");
    assert.equal((await readAll(url)).text, "[]");
  });

  Deno.test(`nobody waits for another's large JSON body, on ${runtime}`, async () => {
    const url = await createStream(node.url, undefined, { contentType: "application/json" });
    const items = "1,".repeat(7 * MIB) + "1";
    // Refused at its last byte: the whole of it is parsed, and nothing of it is written.
    const bodies = [`[${items},]`, `[${items}`, `{"a":[${items}]]`, `[${items}x]`]
      .map((text) => new TextEncoder().encode(text));
    const waits: number[] = [];
    const waitsForText: number[] = [];
    for (const body of bodies) {
      const text = postFromThread(url, body, "text/plain");
      waitsForText.push(await longestWait(url, text));
      assert.equal(await text, 409);
      const answer = postFromThread(url, body, "application/json");
      waits.push(await longestWait(url, answer));
      assert.equal(await answer, 400);
    }
    // What the machine does besides, and takes for as many bytes of text, is not the parser's.
    const limit = 100 + Math.max(...waitsForText);
    assert.ok(
      Math.min(...waits) < limit,
      `others waited ${waits.map(Math.round)} ms, not ${limit}`,
    );
    await append(url, `[${"12345678901234567890,".repeat(100_000)}1.0]`, {
      contentType: "application/json",
    });
    const { text } = await readAll(url);
    assert.equal(text.length, 100_000 * 21 + 5);
    assert.ok(text.endsWith(",1.0]"));
  });
}
