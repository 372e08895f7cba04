/** Many connections that follow one stream, in this process: what they share. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { followBySse } from "../../src/http/sse_route.ts";
import { openPglite } from "../../src/storage/pglite/pglite.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { Streams } from "../../src/streams/streams.ts";

const FOLLOWERS = 200;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

async function withStreams(test: (streams: Streams) => Promise<void>): Promise<void> {
  const dataDir = fs.mkdtempSync(join(tmpdir(), "penstock-sse-"));
  const database = await openPglite({ dataDir });
  await migrate(database);
  const streams = new Streams(database, { report: () => {} });
  await streams.start();
  try {
    await test(streams);
  } finally {
    streams.drain();
    await streams.stop();
    await database.close();
    fs.rmSync(dataDir, { recursive: true, force: true });
  }
}

async function create(streams: Streams, contentType: string): Promise<void> {
  await streams.create({
    ...{
      path: contentType,
      contentType,
      ttlSeconds: null,
      expiresAtMs: null,
      closed: false,
      fork: null,
    },
    body: new Uint8Array(0),
  });
}

async function append(streams: Streams, path: string, body: string, closes = false) {
  const outcome = await streams.append(path, {
    ...{ contentType: path, closes, streamSeq: null, producer: null },
    body: new TextEncoder().encode(body),
  });
  assert.equal(outcome.kind, "appended");
}

type Chunks = ReadableStreamDefaultReader<Uint8Array>;

async function follow(streams: Streams, path: string): Promise<Chunks> {
  const stream = await streams.open(path);
  const response = await followBySse(streams, stream, {
    ...{ start: 0, cursor: null, cacheControl: "no-cache", principal: null },
    keepLive: undefined,
  });
  return response.body!.getReader() as Chunks;
}

async function next(readers: readonly Chunks[]): Promise<Uint8Array[]> {
  const results = await Promise.all(readers.map((reader) => reader.read()));
  return results.map((result) => result.value!);
}

async function encodedOnce(streams: Streams, contentType: string): Promise<void> {
  await create(streams, contentType);
  const readers = await Promise.all(
    Array.from({ length: FOLLOWERS }, () => follow(streams, contentType)),
  );
  await next(readers);
  for (const body of ['"one"', '"two"']) {
    await append(streams, contentType, body);
    const chunks = await next(readers);
    assert.match(text(chunks[0]!), new RegExp(body));
    assert.equal(new Set(chunks).size, 1);
  }
  await append(streams, contentType, '"last"', true);
  const chunks = await next(readers);
  assert.match(text(chunks[0]!), /"last"[^]*"streamClosed":true/);
  assert.equal(new Set(chunks).size, 1);
  const ends = await Promise.all(readers.map((reader) => reader.read()));
  assert.ok(ends.every(({ done }) => done));
  assert.equal(streams.followers, 0);
}

Deno.test("SSE connections of one stream", (t) =>
  withStreams(async (streams) => {
    for (const contentType of ["text/plain", "application/json"]) {
      await t.step(
        `${contentType}: an event is encoded once for all who follow`,
        () => encodedOnce(streams, contentType),
      );
    }
    await t.step(
      "who comes late gets what it missed in one event; who is cancelled leaves",
      async () => {
        const path = "text/html";
        await create(streams, path);
        const [quick, slow] = [await follow(streams, path), await follow(streams, path)];
        await next([quick, slow]);
        for (const body of ["1", "2", "3"]) {
          await append(streams, path, body);
          await next([quick]);
        }
        assert.match(text((await next([slow]))[0]!), /data:123\n/);
        assert.equal(streams.followers, 2);
        await slow.cancel();
        assert.equal(streams.followers, 1);
        await quick.cancel();
        assert.equal(streams.followers, 0);
      },
    );
  }));
