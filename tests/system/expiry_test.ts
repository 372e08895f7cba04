/** Stream-TTL and Stream-Expires-At (sections 4.2 and 5.1). Time itself is tested: these wait. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { append, createStream, readAll } from "../support/http.ts";
import { startServer } from "../support/server.ts";
import {
  elapse,
  Events,
  eventually,
  expectError,
  expectStatus,
  produce,
  serverForThisFile,
  withStorage,
} from "./support.ts";

const node = serverForThisFile();

function withTtl(seconds: number): Promise<string> {
  return createStream(node.url, undefined, { headers: { "stream-ttl": String(seconds) } });
}

/** HEAD does not slide a TTL, so it may look as often as it likes. */
async function isThere(url: string): Promise<boolean> {
  const { status } = await fetch(url, { method: "HEAD" });
  assert.ok(status === 200 || status === 404, `${status}`);
  return status === 200;
}

function ends(url: string, ms = 5000): Promise<true> {
  return eventually(ms, "404", async () => await isThere(url) ? undefined : true);
}

Deno.test("an idle stream expires after its TTL, not before, and however often HEAD looks", async () => {
  const before = Date.now();
  const url = await withTtl(1);
  assert.equal((await fetch(url, { method: "HEAD" })).headers.get("stream-ttl"), "1");
  await ends(url, 2000);
  assert.ok(Date.now() - before >= 1000, "it expired early");
  await expectError(await fetch(url), 404);
  await expectError(await fetch(url, { method: "DELETE" }), 404);
  const headers = { "content-type": "text/plain" };
  await expectError(await fetch(url, { method: "POST", headers, body: "x" }), 404);
});

Deno.test("a stream lives as long as it is read, and a TTL of 0 is over at once", async () => {
  const url = await withTtl(1);
  const until = Date.now() + 2000;
  while (Date.now() < until) {
    await expectStatus(await fetch(url), 200);
    await elapse(100, "the interval of a reader");
  }
  await ends(url);
  await ends(await withTtl(0), 1000);
});

Deno.test("every read and write begins the TTL anew, and HEAD does not", async () => {
  const closed = { "stream-closed": "true" };
  const uses: [what: string, slides: boolean, use: (url: string) => Promise<unknown>][] = [
    ["GET", true, async (url) => await expectStatus(await fetch(url), 200)],
    ["offset=now", true, async (url) => await expectStatus(await fetch(`${url}?offset=now`), 200)],
    ["If-None-Match", true, async (url) => {
      const headers = { "if-none-match": "*" };
      await expectStatus(await fetch(url, { headers }), 304);
    }],
    ["long-poll", true, async (url) => {
      await expectStatus(await fetch(`${url}?offset=-1&live=long-poll`), 200);
    }],
    ["SSE", true, async (url) => await (await Events.open(url, "-1")).close()],
    ["append", true, (url) => append(url, "x")],
    ["close", true, (url) => append(url, "", { headers: closed })],
    ["a producer", true, async (url) => {
      await expectStatus(await produce(url, { id: "p", epoch: 0, seq: 0 }, "x"), 200);
    }],
    ["a producer's close", true, async (url) => {
      await expectStatus(await produce(url, { id: "p", epoch: 0, seq: 0 }, "", closed), 204);
    }],
    ["HEAD", false, async (url) => assert.ok(await isThere(url))],
    ["nothing", false, () => Promise.resolve()],
  ];
  await Promise.all(uses.map(async ([what, slides, use]) => {
    const headers = { "stream-ttl": "3" };
    const url = await createStream(node.url, undefined, { headers, body: "b" });
    await elapse(1500, "half of the TTL");
    await use(url);
    await elapse(2500, "beyond the TTL as it was, within it as renewed");
    // Without a slide it is over after 3.3 s at most, with one not before 4.5 s.
    assert.equal(await isThere(url), slides, what);
    await ends(url);
  }));
});

Deno.test("a stream with a follower does not expire, and ends its followers when it does", async () => {
  const followed = await withTtl(1);
  const events = await Events.open(followed, "-1");
  await events.control();
  await elapse(2000, "twice the TTL");
  assert.ok(await isThere(followed));
  await append(followed, "still here");
  assert.equal(await events.data(), "still here");
  await events.close();
  await ends(followed);

  const at = new Date(Date.now() + 1200).toISOString();
  const fixed = await createStream(node.url, undefined, { headers: { "stream-expires-at": at } });
  const doomed = await Events.open(fixed, "-1");
  const waiting = fetch(`${fixed}?offset=now&live=long-poll`);
  await doomed.control();
  assert.equal(await doomed.next(10_000), undefined, "SSE ends");
  await expectError(await waiting, 404);
});

Deno.test("Stream-Expires-At is a deadline that no read moves", async () => {
  const at = new Date(Date.now() + 1500).toISOString();
  const url = await createStream(node.url, undefined, { headers: { "stream-expires-at": at } });
  const head = await fetch(url, { method: "HEAD" });
  assert.equal(Date.parse(head.headers.get("stream-expires-at")!), Date.parse(at));
  await eventually(4000, "404", async () => {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.status === 404 ? true : undefined;
  });
  assert.ok(Date.now() >= Date.parse(at), "it expired early");
});

Deno.test("both lifetimes at once are 400; the same PUT is 200 and another one 409", async () => {
  const url = `${node.url}/v1/stream/lifetime-${crypto.randomUUID()}`;
  const put = (headers: Record<string, string>) => fetch(url, { method: "PUT", headers });
  const at = new Date(Date.now() + 3_600_000).toISOString();
  await expectError(await put({ "stream-ttl": "100", "stream-expires-at": at }), 400);
  await expectStatus(await put({ "stream-ttl": "100" }), 201);
  await expectStatus(await put({ "stream-ttl": "100" }), 200);
  for (const other of [{ "stream-ttl": "101" }, { "stream-expires-at": at }, {}]) {
    await expectError(await put(other), 409);
  }
});

Deno.test("the path of an expired stream is free at once, for a stream with nothing of the old", async () => {
  const url = await withTtl(1);
  const path = new URL(url).pathname.slice("/v1/stream/".length);
  await expectStatus(await produce(url, { id: "p", epoch: 9, seq: 0 }, "old"), 200);
  await ends(url);
  await createStream(node.url, path, { body: "new " });
  await expectStatus(await produce(url, { id: "p", epoch: 0, seq: 0 }, "producer"), 200);
  assert.equal((await readAll(url)).text, "new producer");
});

Deno.test("an expired source is 410 while a fork reads it, and gone with its last fork", async () => {
  const headers = { "stream-ttl": "1" };
  const source = await createStream(node.url, undefined, { headers, body: "inherited" });
  const fork = `${source}-fork`;
  const forked = { "stream-forked-from": new URL(source).pathname, "stream-ttl": "1000" };
  await expectStatus(await fetch(fork, { method: "PUT", headers: forked }), 201);
  await eventually(5000, "410", async () => {
    const { status } = await fetch(source, { method: "HEAD" });
    return status === 410 ? true : undefined;
  });
  await expectError(await fetch(source), 410);
  assert.equal((await readAll(fork)).text, "inherited");
  await expectStatus(await fetch(fork, { method: "DELETE" }), 204);
  await eventually(10_000, "404", async () => {
    const { status } = await fetch(source, { method: "HEAD" });
    return status === 404 ? true : undefined;
  });
});

Deno.test("expired and deleted streams are swept from the tables, every row of them", async () => {
  const headers = { "stream-ttl": "1" };
  const urls = await Promise.all(
    Array.from({ length: 5 }, () => createStream(node.url, undefined, { headers, body: "bytes" })),
  );
  await Promise.all(urls.map((url) => produce(url, { id: "p", epoch: 0, seq: 0 }, "more")));
  const deleted = await createStream(node.url, undefined, { body: "bytes" });
  await expectStatus(await fetch(deleted, { method: "DELETE" }), 204);
  const paths = [...urls, deleted].map((url) => new URL(url).pathname.slice("/v1/stream/".length));
  const sql = postgres(node.databaseUrl, { max: 1 });
  try {
    const rows = await sql`select id from penstock.streams where path = any (${paths})`;
    assert.ok(rows.length >= urls.length);
    const ids = rows.map(({ id }) => String(id));
    await eventually(25_000, "no row of them", async () => {
      const [left] = await sql`select
        (select count(*) from penstock.streams where path = any (${paths}))
        + (select count(*) from penstock.segments where stream_id = any (${ids}::bigint[]))
        + (select count(*) from penstock.producers where stream_id = any (${ids}::bigint[]))
        as rows`;
      return left!.rows === "0" ? true : undefined;
    });
  } finally {
    await sql.end();
  }
});

Deno.test("a TTL that a read has moved is still moved after kill -9", async () => {
  await withStorage("postgres", async (database) => {
    const first = await startServer({ database });
    const headers = { "stream-ttl": "4" };
    const url = await createStream(first.url, undefined, { headers, body: "b" });
    const idle = await createStream(first.url, undefined, { headers, body: "b" });
    const since = Date.now();
    await elapse(2500, "more than half of the TTL");
    await expectStatus(await fetch(url), 200);
    await first.kill();
    const second = await startServer({ database });
    try {
      await elapse(Math.max(0, since + 5200 - Date.now()), "until the TTL of the idle one is over");
      const there = (old: string) => fetch(second.url + new URL(old).pathname);
      await expectStatus(await there(url), 200);
      await expectError(await there(idle), 404);
    } finally {
      await second.kill();
    }
  });
});
