/** The official client, against a server that is killed and started again under it. */
import assert from "node:assert/strict";
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client";
import { freshDatabase, type TestDatabase } from "../support/postgres.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import {
  fetchUntilAnswered,
  followThroughErrors,
  type Message,
  numbers,
  Received,
} from "./client_support.ts";
import { freePort, within } from "./support.ts";

let database: TestDatabase;
let server: RunningServer;
let args: string[];
const start = () => startServer({ database: { url: database.url }, args });

Deno.test.beforeAll(async () => {
  database = await freshDatabase();
  args = ["--port", String(await freePort())];
  server = await start();
});
Deno.test.afterAll(async () => {
  await server.kill();
  await database.drop();
});

const streamUrl = () => `${server.url}/v1/stream/client-${crypto.randomUUID()}`;

Deno.test("client: creates, appends, reads, closes and deletes", async () => {
  const url = streamUrl();
  const handle = await DurableStream.create({ url, contentType: "application/json" });
  await handle.append(JSON.stringify({ n: 0 }));
  await handle.append(JSON.stringify({ n: 1 }));
  const response = await stream<Message>({ url, offset: "-1", live: false });
  assert.deepEqual(await response.json(), numbers(0, 2));
  const { finalOffset } = await handle.close();
  assert.match(finalOffset, /^[0-9]{16}_[0-9]{16}$/);
  const head = await handle.head();
  assert.equal(head.exists, true);
  await handle.delete();
  await assert.rejects(stream({ url, offset: "-1", live: false }));
});

Deno.test("client: bytes and text come back as they were", async () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at * 31);
  const url = streamUrl();
  const handle = await DurableStream.create({ url, contentType: "application/octet-stream" });
  await handle.append(bytes);
  const read = await (await stream({ url, offset: "-1", live: false })).body();
  assert.equal(Buffer.compare(read, bytes), 0);

  const texts = streamUrl();
  const other = await DurableStream.create({ url: texts, contentType: "text/plain" });
  await other.append("héllo ");
  await other.append("😀");
  assert.equal(await (await stream({ url: texts, offset: "-1", live: false })).text(), "héllo 😀");
});

Deno.test("client: its IdempotentProducer, pipelined, is exactly once and in order", async () => {
  const url = streamUrl();
  const handle = await DurableStream.create({ url, contentType: "application/json" });
  const errors: Error[] = [];
  const producer = new IdempotentProducer(handle, "producer", {
    maxInFlight: 5,
    lingerMs: 1,
    maxBatchBytes: 64,
    onError: (error) => errors.push(error),
  });
  for (const message of numbers(0, 300)) producer.append(JSON.stringify(message));
  await within(20_000, "the flush", producer.flush());
  assert.deepEqual(errors, []);
  await within(5000, "the close", producer.close(JSON.stringify({ n: 300 })));
  const response = await stream<Message>({ url, offset: "-1", live: false });
  assert.deepEqual(await response.json(), numbers(0, 301));
});

for (const live of ["long-poll", "sse"] as const) {
  Deno.test(`client: follows by ${live} from an offset to the end`, async () => {
    const url = streamUrl();
    const handle = await DurableStream.create({ url, contentType: "application/json" });
    await handle.append(JSON.stringify({ n: 0 }));
    const head = await handle.head();
    assert.ok(head.exists);
    const received = new Received();
    const response = await stream<Message>({ url, offset: head.offset!, live });
    response.subscribeJson((batch) => received.add(batch.items));
    for (const message of numbers(1, 20)) await handle.append(JSON.stringify(message));
    await received.reaches(19);
    await handle.close({ body: JSON.stringify({ n: 20 }) });
    await within(10_000, "the end of the stream", response.closed);
    assert.deepEqual(received.items, numbers(1, 21));
  });

  Deno.test(`client: a ${live} follower and a producer live through kill -9`, async () => {
    const url = streamUrl();
    const handle = await DurableStream.create({ url, contentType: "application/json" });
    const errors: Error[] = [];
    const producer = new IdempotentProducer(handle, "producer", {
      lingerMs: 1,
      maxBatchBytes: 64,
      fetch: fetchUntilAnswered as typeof fetch, // it does not try again by itself
      onError: (error) => errors.push(error),
    });
    const received = new Received();
    const following = followThroughErrors(url, live, received);

    for (const message of numbers(0, 50)) producer.append(JSON.stringify(message));
    await received.reaches(50);
    await server.kill();
    // Into the void: these wait in the client until the server is back.
    for (const message of numbers(50, 80)) producer.append(JSON.stringify(message));
    server = await start();
    for (const message of numbers(80, 100)) producer.append(JSON.stringify(message));
    await within(30_000, "the flush", producer.flush());
    assert.deepEqual(errors, []);
    await received.reaches(100);
    await within(5000, "the close", producer.close());
    await within(10_000, "the follower's end", following);
    assert.deepEqual(received.items, numbers(0, 100));
    const whole = await stream<Message>({ url, offset: "-1", live: false });
    assert.deepEqual(await whole.json(), numbers(0, 100));
  });
}
