/** Two nodes on one database: what one acked, the other reads, follows and builds on. */
// Runs quietly: it measures how late a follower gets its data.
import assert from "node:assert/strict";
import { append, createStream, readAll } from "../support/http.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { promptly } from "./promptness.ts";
import {
  elapse,
  Events,
  eventually,
  expectError,
  expectStatus,
  nextOffset,
  produce,
  serverForThisFile,
  within,
} from "./support.ts";

const a = serverForThisFile();
let b: RunningServer;
Deno.test.beforeAll(async () => {
  b = await startServer({ database: { url: a.databaseUrl } });
});
Deno.test.afterAll(() => b.kill());

/** The same stream at the other node. */
function atB(url: string): string {
  return b.url + new URL(url).pathname;
}

Deno.test("a follower on B gets what is appended at A within a second, mostly at once", async () => {
  const url = await createStream(a.url);
  const events = await Events.open(atB(url), "now");
  await events.control();
  const took = await promptly(b, 15, async (at) => {
    // At odd times, lest every append fall just before B's own look at the rows.
    await elapse((at * 67) % 190, "out of step with the polls");
    await append(url, `${at};`);
    const acked = performance.now();
    assert.equal(await events.data(2000), `${at};`);
    const ms = performance.now() - acked;
    await events.control();
    return ms;
  });
  await events.close();
  assert.ok(took.at(-1)! < 1000, `the slowest took ${took.at(-1)} ms`);
  assert.ok(took[7]! < 250, `half of them took more than ${took[7]} ms`);
});

Deno.test("a long-poll on B wakes for an append, a close and a delete at A", async () => {
  const url = await createStream(a.url);
  const wait = async (offset: string) =>
    await within(3000, "B's wake-up", fetch(`${atB(url)}?offset=${offset}&live=long-poll`));
  const tail = nextOffset(await fetch(url, { method: "HEAD" }));
  let waiting = wait(tail);
  const end = await append(url, "x");
  assert.equal(await expectStatus(await waiting, 200), "x");
  waiting = wait(end);
  await append(url, "", { headers: { "stream-closed": "true" } });
  assert.equal((await waiting).headers.get("stream-closed"), "true");

  const other = await createStream(a.url);
  const events = await Events.open(atB(other), "-1");
  await events.control();
  await expectStatus(await fetch(other, { method: "DELETE" }), 204);
  assert.equal(await events.next(3000), undefined);
});

Deno.test("what A acked, B reads at once", async () => {
  const url = await createStream(a.url);
  const there = atB(url);
  let offset = "-1";
  for (let at = 0; at < 100; at++) {
    const [write, read] = at % 2 === 0 ? [url, there] : [there, url];
    const end = await append(write, `${at};`);
    const response = await fetch(`${read}?offset=${offset}`);
    assert.equal(await expectStatus(response.clone(), 200), `${at};`);
    assert.equal(nextOffset(response), end);
    await response.body?.cancel();
    assert.equal(nextOffset(await fetch(read, { method: "HEAD" })), end);
    offset = end;
  }
  await append(there, "", { headers: { "stream-closed": "true" } });
  const headers = { "content-type": "text/plain" };
  await expectError(await fetch(url, { method: "POST", headers, body: "late" }), 409);
  await expectStatus(await fetch(url, { method: "DELETE" }), 204);
  await expectError(await fetch(there), 404);
  await expectStatus(await fetch(there, { method: "PUT", headers, body: "anew" }), 201);
  assert.equal((await readAll(url)).text, "anew");
});

Deno.test("appends to one stream through both nodes are all there, whole, once", async () => {
  const url = await createStream(a.url);
  const bodies = Array.from({ length: 300 }, (_, at) => `<${at}${"x".repeat(at % 50)}>`);
  const placed = await Promise.all(
    bodies.map(async (body, at) => ({ body, end: await append(at % 2 ? url : atB(url), body) })),
  );
  assert.equal(new Set(placed.map(({ end }) => end)).size, bodies.length);
  const expected = placed.toSorted((x, y) => x.end < y.end ? -1 : 1).map(({ body }) => body).join(
    "",
  );
  assert.equal((await readAll(url)).text, expected);
  assert.equal((await readAll(atB(url))).text, expected);
});

Deno.test("producer state is shared: order, duplicates, gaps and fences hold across nodes", async () => {
  const url = await createStream(a.url);
  const p = { id: "p", epoch: 0 };
  for (let seq = 0; seq < 20; seq++) {
    const [first, second] = seq % 2 ? [url, atB(url)] : [atB(url), url];
    await expectStatus(await produce(first, { ...p, seq }, `${seq};`), 200);
    await expectStatus(await produce(second, { ...p, seq }, "again"), 204);
  }
  const gap = await produce(atB(url), { ...p, seq: 30 }, "gap");
  assert.equal(gap.headers.get("producer-expected-seq"), "20");
  await expectError(gap, 409);
  await expectStatus(await produce(atB(url), { id: "p", epoch: 1, seq: 0 }, "new epoch"), 200);
  await expectError(await produce(url, { ...p, seq: 20 }, "zombie"), 403);
  const whole = Array.from({ length: 20 }, (_, seq) => `${seq};`).join("") + "new epoch";
  assert.equal((await readAll(url)).text, whole);
});

Deno.test("a producer pipelined over both nodes is taken exactly once and in order", async () => {
  const url = await createStream(a.url);
  const insist = (seq: number, target: string) =>
    eventually(20_000, `seq ${seq}`, async () => {
      const response = await produce(target, { id: "p", epoch: 0, seq }, `${seq};`);
      await response.body?.cancel();
      assert.ok([200, 204, 409].includes(response.status), `${response.status}`);
      return response.status === 409 ? undefined : response.status;
    });
  const taken = await Promise.all(
    Array.from({ length: 60 }, (_, at) => insist(at >> 1, at % 2 ? url : atB(url))),
  );
  assert.equal(taken.filter((status) => status === 200).length, 30);
  assert.equal(
    (await readAll(url)).text,
    Array.from({ length: 30 }, (_, seq) => `${seq};`).join(""),
  );
});

Deno.test("the same PUT at both nodes makes one stream", async () => {
  for (let round = 0; round < 10; round++) {
    const path = `/v1/stream/put-${crypto.randomUUID()}`;
    const answers = await Promise.all(Array.from({ length: 8 }, async (_, at) => {
      const response = await fetch((at % 2 ? a.url : b.url) + path, {
        method: "PUT",
        headers: { "content-type": "text/plain" },
        body: "once",
      });
      await response.body?.cancel();
      return response.status;
    }));
    assert.deepEqual(answers.sort(), [200, 200, 200, 200, 200, 200, 200, 201]);
    assert.equal((await readAll(a.url + path)).text, "once");
  }
});
