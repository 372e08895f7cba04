/** The commands as a user runs them, and the official client across a move. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DurableStream } from "@durable-streams/client";
import { freshDatabase } from "../support/postgres.ts";
import { startServer } from "../support/server.ts";
import { freePort, within } from "../system/support.ts";
import { Workplace } from "../system/client_commands.ts";

async function put(url: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "PUT", headers });
  assert.equal(response.status, 201, await response.text());
}

async function post(url: string, value: unknown): Promise<string> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify([value]),
  });
  assert(response.ok, await response.text());
  return response.headers.get("stream-next-offset")!;
}

Deno.test("a copy from embedded to PostgreSQL goes on at the same offsets, for the official client too", async () => {
  const place = new Workplace("http://127.0.0.1:1/v1/stream");
  const dataDir = join(place.folder, "data");
  const { url: database, drop } = await freshDatabase();
  const port = await freePort();
  const args = ["--port", String(port)];
  let server = await startServer({ database: { dataDir }, args });
  const url = `${server.url}/v1/stream/chat`;
  const received: number[] = [];
  const follow = async (offset: string, until: number): Promise<string> => {
    const stream = new DurableStream({ url });
    const response = await stream.stream<number>({ offset, live: "long-poll", json: true });
    const done = Promise.withResolvers<void>();
    const end = response.subscribeJson((batch) => {
      received.push(...batch.items);
      if (received.includes(until)) done.resolve();
    });
    await within(30_000, `message ${until}`, done.promise);
    end();
    response.cancel();
    return response.offset;
  };
  try {
    await put(url);
    for (let value = 0; value < 10; value++) await post(url, value);
    const offset = await follow("-1", 9);

    const refused = await place.penstock("dump", "--data-dir", dataDir);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /in use by another Penstock/);
    await server.stop();
    const copied = await place.penstock("copy", "--from", dataDir, "--to", database);
    assert.equal(copied.code, 0, copied.stderr);
    assert.match(copied.stderr, /loaded 1 streams, \d+ bytes/);

    server = await startServer({ database: { url: database }, args });
    const followed = follow(offset, 19);
    for (let value = 10; value < 20; value++) await post(url, value);
    await followed;
    assert.deepEqual(received, [...Array(20).keys()]);
  } finally {
    await server.stop();
    await drop();
    place.remove();
  }
});

Deno.test("a server is dumped by its URL, with a token that has admin, and loaded elsewhere", async () => {
  const { url: database, drop } = await freshDatabase();
  const target = await freshDatabase();
  const server = await startServer({
    database: { url: database },
    args: ["--anonymous", "read,append,create:chat/**"],
  });
  const place = new Workplace(`${server.url}/v1/stream`);
  try {
    await put(`${server.url}/v1/stream/chat/a`);
    const offset = await post(`${server.url}/v1/stream/chat/a`, "hello");
    const asked = await fetch(`${server.url}/v1/stream/__ds/dump`);
    assert.equal(asked.status, 401, await asked.text());
    const made = await place.penstock(
      ...["token", "create", "--database-url", database, "--name", "mover", "--rules", "admin:**"],
    );
    assert.equal(made.code, 0, made.stderr);
    const token = made.stdout.trim();
    const wrong = await fetch(`${server.url}/v1/stream/__ds/dump?every=1`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(wrong.status, 400, await wrong.text());

    const url = `--url ${server.url}/v1/stream --token ${token}`;
    const line = `penstock dump ${url} --prefix chat/ > file && ` +
      `penstock load --database-url ${target.url} < file`;
    const moved = await place.shell(line);
    assert.equal(moved.code, 0, moved.stderr);
    assert.match(moved.stderr, /loaded 1 streams/);

    const other = await startServer({ database: { url: target.url } });
    try {
      const read = await fetch(`${other.url}/v1/stream/chat/a`);
      assert.equal(await read.text(), '["hello"]');
      assert.equal(read.headers.get("stream-next-offset"), offset);
    } finally {
      await other.stop();
    }
  } finally {
    await server.stop();
    await drop();
    await target.drop();
    place.remove();
  }
});
