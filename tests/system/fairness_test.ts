/** One hot stream, and one crowd of cold readers, do not keep the others waiting. */
// Runs alone: it floods a server and measures what others wait for.
import assert from "node:assert/strict";
import { append, createStream, readAll } from "../support/http.ts";
import { expectOverloaded } from "./overload_support.ts";
import { decodeOffset } from "../../src/protocol/offset.ts";
import {
  KINDS,
  nextOffset,
  noise,
  serverForThisFile,
  within,
  withServer,
  withStorage,
} from "./support.ts";

const MIB = 1 << 20;

/** How long others may wait during a flood, at worst and as a rule: half of them. Milliseconds. */
const WORST_MS = 6000;
/** The embedded database has one thread for everything, the uploads included. */
const USUAL_MS = { postgres: 300, embedded: 2000 };

/** The times that `work` takes, again and again for as long as `busy` says. */
async function timesOf(busy: () => boolean, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  while (busy()) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b);
}

function assertTimely(times: readonly number[], what: string, usualMs: number): void {
  assert.ok(times.length >= 3, `${what}: only ${times.length} answers`);
  const [usual, worst] = [times[times.length >> 1]!, times.at(-1)!];
  const said = `${what}: p50 ${usual.toFixed(0)} ms, worst ${worst.toFixed(0)} ms`;
  assert.ok(usual < usualMs && worst < WORST_MS, said);
}

for (const kind of KINDS) {
  const node = serverForThisFile(kind);

  Deno.test(`small appends and reads are answered while a dozen streams are flooded, on ${kind}`, async () => {
    const hot = await Promise.all(Array.from({ length: 12 }, () => createStream(node.url)));
    const calm = await createStream(node.url);
    const end = Date.now() + 5000;
    const busy = () => Date.now() < end;
    const megabyte = new Uint8Array(MIB).fill(0x61);
    const flooded = hot.map(() => 0);
    const flood = Array.from({ length: 48 }, async (_, at) => {
      while (busy()) {
        await append(hot[at % hot.length]!, megabyte);
        flooded[at % hot.length]!++;
      }
    });
    let appended = 0;
    const [appends, reads] = await Promise.all([
      timesOf(busy, async () => {
        await append(calm, "x");
        appended++;
      }),
      timesOf(busy, () => readAll(calm)),
      ...flood,
    ]);
    assertTimely(appends, "small appends", USUAL_MS[kind]);
    assertTimely(reads, "small reads", USUAL_MS[kind]);
    assert.ok(Math.min(...flooded) > 0, `${flooded} MiB got through`);
    assert.equal((await readAll(calm)).text, "x".repeat(appended));
    for (const [at, url] of hot.entries()) {
      const offset = nextOffset(await fetch(url, { method: "HEAD" }));
      assert.equal(decodeOffset(offset)?.position, flooded[at]! * MIB);
    }
  });
}

Deno.test("a crowd of cold readers leaves appends their connections", async () => {
  await withStorage("postgres", async (database) => {
    const path = "cold";
    await withServer({ database }, async (warm) => {
      const url = await createStream(warm.url, path);
      for (let turn = 0; turn < 12; turn++) await append(url, noise(4 * MIB, turn));
    });
    // A node that has none of it in memory, with little patience for its database.
    const args = ["--database-timeout", "2s", "--database-connections", "4"];
    await withServer({ database, args }, async (node) => {
      const url = `${node.url}/v1/stream/${path}`;
      const calm = await createStream(node.url);
      const generation = nextOffset(await fetch(url, { method: "HEAD" })).slice(17);
      let reading = true;
      const readers = Promise.all(Array.from({ length: 60 }, async (_, at) => {
        const position = String(1 + at * 700_001).padStart(16, "0");
        const offset = `${position}_${generation}`;
        const response = await fetch(`${url}?offset=${offset}`);
        await response.body?.cancel();
        return response.status;
      })).finally(() => reading = false);
      const times = await timesOf(() => reading, () => append(calm, "x"));
      assert.deepEqual([...new Set(await readers)], [200]);
      assertTimely(times, "appends", USUAL_MS.postgres);
      const away = node.logs.filter((line) => line.includes("database_unavailable"));
      assert.deepEqual(away, []);
    });
  });
});

const narrow = serverForThisFile("embedded", {
  args: ["--max-buffered-bytes", "16MiB", "--max-append-bytes", "1MiB"],
});

Deno.test("appends beyond the memory for them are refused, and all others count", async () => {
  const hot = await createStream(narrow.url);
  const calm = await createStream(narrow.url);
  const megabyte = new Uint8Array(MIB).fill(0x61);
  const statuses = await Promise.all(Array.from({ length: 64 }, async () => {
    const response = await fetch(hot, {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: megabyte,
    });
    if (response.status === 503) await expectOverloaded(response);
    else await response.body?.cancel();
    return response.status;
  }));
  await within(2000, "a small append", append(calm, "x"));
  const accepted = statuses.filter((status) => status === 204).length;
  assert.equal(accepted + statuses.filter((status) => status === 503).length, 64);
  assert.ok(accepted > 0 && accepted < 64, `${accepted} accepted`);
  assert.equal((await readAll(hot)).bytes.length, accepted * MIB);
});
