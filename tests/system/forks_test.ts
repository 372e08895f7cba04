/** Forks: what they inherit, what they do not, and what becomes of their sources. */
import { copyTogether } from "../../src/lib/bytes.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { append, createStream, readAll, serverSentEvents } from "../support/http.ts";
import {
  assertBytes,
  eventually,
  expectError,
  expectStatus,
  nextOffset,
  noise,
  serverForThisFile,
  within,
} from "./support.ts";

const node = serverForThisFile();

/** A stream as the test knows it: its units are bytes, or JSON messages. */
interface Model {
  readonly url: string;
  units: unknown[];
  /** Offsets given out, and how many units lie before each. */
  known: [offset: string, units: number][];
  alive: boolean;
  readonly forks: Model[];
}

interface Flavour {
  readonly contentType: string;
  make(size: number, seed: number): { units: unknown[]; body: BodyInit };
  check(read: { bytes: Uint8Array; text: string }, units: unknown[]): void;
}

const FLAVOURS: Flavour[] = [{
  contentType: "application/octet-stream",
  make(size, seed) {
    const bytes = noise(size, seed);
    return { units: [...bytes], body: bytes };
  },
  check: ({ bytes }, units) => assertBytes(bytes, Uint8Array.from(units as number[])),
}, {
  contentType: "application/json",
  make(size, seed) {
    const units = Array.from({ length: 1 + size % 7 }, (_, at) => ({ seed, at }));
    return { units, body: JSON.stringify(units) };
  },
  check: ({ text }, units) => assert.deepEqual(JSON.parse(text), units),
}];

const pathOf = (url: string) => new URL(url).pathname;

async function put(url: string, headers: Record<string, string>, body = ""): Promise<Response> {
  return await fetch(url, { method: "PUT", headers, ...body === "" ? {} : { body } });
}

async function forkOf(source: string, headers: Record<string, string> = {}): Promise<string> {
  const url = `${node.url}/v1/stream/fork-${crypto.randomUUID()}`;
  await expectStatus(await put(url, { "stream-forked-from": pathOf(source), ...headers }), 201);
  return url;
}

const step = fc.record({
  kind: fc.constantFrom("append", "append", "fork", "fork", "close", "delete"),
  which: fc.nat(1000),
  where: fc.nat(1000),
  sub: fc.nat(9),
  size: fc.integer({ min: 1, max: 400 }),
});

Deno.test("a tree of forks reads back as its model says, through appends, closes and deletes", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...FLAVOURS),
      fc.array(step, { minLength: 5, maxLength: 30 }),
      async (flavour, steps) => {
        const { contentType } = flavour;
        const first = flavour.make(20, 99);
        const root = await createStream(node.url, undefined, { contentType, body: first.body });
        const models: Model[] = [{
          url: root,
          units: first.units,
          known: [["-1", 0]],
          alive: true,
          forks: [],
        }];
        const closed = new Set<Model>();
        for (const [seed, { kind, which, where, sub, size }] of steps.entries()) {
          const alive = models.filter((model) => model.alive);
          const model = alive[which % alive.length];
          if (model === undefined) break;
          if (kind === "append") {
            const { units, body } = flavour.make(size, seed + 1);
            if (closed.has(model)) {
              const headers = { "content-type": contentType };
              await expectError(await fetch(model.url, { method: "POST", headers, body }), 409);
            } else {
              const offset = await append(model.url, body, { contentType });
              model.units = [...model.units, ...units];
              model.known = [...model.known, [offset, model.units.length]];
            }
          } else if (kind === "fork") {
            const [offset, before] = model.known[where % model.known.length]!;
            const at = before + Math.min(sub, model.units.length - before);
            const url = await forkOf(model.url, {
              "stream-fork-offset": offset,
              "stream-fork-sub-offset": String(at - before),
            });
            const known = model.known.filter(([, units]) => units <= at);
            const fork = { url, units: model.units.slice(0, at), known, alive: true, forks: [] };
            model.forks.push(fork);
            models.push(fork);
          } else if (kind === "close") {
            await append(model.url, "", { headers: { "stream-closed": "true" } });
            closed.add(model);
          } else if (models.length > 1) {
            await expectStatus(await fetch(model.url, { method: "DELETE" }), 204);
            model.alive = false;
          }
        }
        const read = (model: Model): boolean => model.alive || model.forks.some(read);
        for (const model of models) {
          if (!model.alive) {
            await expectError(await fetch(model.url), read(model) ? 410 : 404);
            continue;
          }
          for (const [offset, before] of model.known) {
            const whole = await readAll(model.url, offset);
            flavour.check(whole, model.units.slice(before));
            assert.equal(whole.closed, closed.has(model));
          }
        }
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("a fork of a fork below its fork offset, and a chain of twenty, read through", async () => {
  const contentType = "application/octet-stream";
  const base = noise(100, 1);
  const source = await createStream(node.url, undefined, { contentType, body: base });
  const middle = await forkOf(source, {
    "stream-fork-sub-offset": "60",
    "stream-fork-offset": "-1",
  });
  await append(middle, noise(50, 2), { contentType });
  const low = await forkOf(middle, { "stream-fork-sub-offset": "25", "stream-fork-offset": "-1" });
  await append(low, noise(10, 3), { contentType });
  assertBytes((await readAll(low)).bytes, copyTogether([base.subarray(0, 25), noise(10, 3)]));

  let tip = source;
  let expected: Uint8Array = base;
  for (let depth = 0; depth < 20; depth++) {
    tip = await forkOf(tip);
    const own = noise(5 + depth, depth + 10);
    await append(tip, own, { contentType });
    expected = copyTogether([expected, own]);
  }
  assertBytes((await readAll(tip)).bytes, expected);
  await append(source, noise(30, 4), { contentType });
  assertBytes((await readAll(tip)).bytes, expected, "after its source went on");
});

Deno.test("a chain of forks is bounded, and a whole one ends with its last fork", async () => {
  const name = crypto.randomUUID();
  const urls = [await createStream(node.url, `${name}-0`, { body: "x" })];
  const fork = (number: number) =>
    fetch(`${node.url}/v1/stream/${name}-${number}`, {
      method: "PUT",
      headers: { "Stream-Forked-From": `/v1/stream/${name}-${number - 1}` },
    });
  for (let number = 1; number < 100; number++) {
    await expectStatus(await fork(number), 201);
    urls.push(`${node.url}/v1/stream/${name}-${number}`);
  }
  assert.equal(await expectError(await fork(100), 400), "FORK_CHAIN_TOO_LONG");
  for (const url of urls) await expectStatus(await fetch(url, { method: "DELETE" }), 204);
  for (const url of urls) {
    assert.equal(await expectError(await fetch(url), 404), "STREAM_NOT_FOUND");
  }
});

Deno.test("a deleted source answers 410, blocks its path and serves its forks, until the last goes", async () => {
  const source = await createStream(node.url, undefined, { body: "shared " });
  const fork = await forkOf(source);
  const deep = await forkOf(fork);
  await append(deep, "own");
  for (const url of [source, fork]) await expectStatus(await fetch(url, { method: "DELETE" }), 204);
  for (const url of [source, fork]) {
    await expectError(await fetch(url), 410);
    await expectError(await fetch(url, { method: "DELETE" }), 410);
    const headers = { "content-type": "text/plain" };
    await expectError(await fetch(url, { method: "POST", headers, body: "x" }), 410);
    for (const live of ["long-poll", "sse"]) {
      await expectError(await fetch(`${url}?offset=-1&live=${live}`), 410);
    }
    const head = await fetch(url, { method: "HEAD" });
    assert.equal(head.status, 410);
    await expectError(await put(url, headers), 409);
    await expectError(await put(`${url}-2`, { "stream-forked-from": pathOf(url) }), 409);
  }
  assert.equal((await readAll(deep)).text, "shared own");
  await expectStatus(await fetch(deep, { method: "DELETE" }), 204);
  for (const url of [deep, fork, source]) {
    await eventually(10_000, `404 for ${url}`, async () => {
      const response = await fetch(url);
      await response.body?.cancel();
      return response.status === 404 ? true : undefined;
    });
  }
  const path = pathOf(source).slice("/v1/stream/".length);
  await createStream(node.url, path, { body: "new" });
  assert.equal((await readAll(source)).text, "new");
});

Deno.test("a fork inherits TTL or expiry unless it has its own", async () => {
  const at = new Date(Date.now() + 3_600_000).toISOString();
  const later = new Date(Date.now() + 7_200_000).toISOString();
  const lifetimes = [{}, { "stream-ttl": "100" }, { "stream-expires-at": at }];
  const requests = [{}, { "stream-ttl": "50" }, { "stream-expires-at": later }];
  for (const lifetime of lifetimes) {
    const source = await createStream(node.url, undefined, { headers: lifetime });
    for (const request of requests) {
      const fork = await forkOf(source, request);
      const head = await fetch(fork, { method: "HEAD" });
      const expected: Record<string, string> = Object.keys(request).length > 0 ? request : lifetime;
      assert.equal(head.headers.get("stream-ttl"), expected["stream-ttl"] ?? null);
      const expires = head.headers.get("stream-expires-at");
      assert.equal(
        expires && Date.parse(expires),
        Date.parse(expected["stream-expires-at"] ?? "") || null,
      );
    }
  }
});

Deno.test("the same fork again is 200, another one 409, and every wrong one its error", async () => {
  const source = await createStream(node.url, undefined, { body: "0123456789" });
  const tail = await append(source, "abc");
  const url = `${node.url}/v1/stream/again-${crypto.randomUUID()}`;
  const asked = {
    "stream-forked-from": pathOf(source),
    "stream-fork-offset": tail,
    "content-type": "text/plain; charset=utf-8",
  };
  await expectStatus(await put(url, asked), 201);
  await append(url, "more");
  await expectStatus(await put(url, asked), 200);
  await expectError(await put(url, { ...asked, "stream-fork-offset": "-1" }), 409);
  await expectError(await put(url, { "content-type": "text/plain" }), 409);

  const beyond = `0000000000009999${tail.slice(16)}`;
  const from = { "stream-forked-from": pathOf(source) };
  const wrong: [headers: Record<string, string>, status: number][] = [
    [{ "stream-forked-from": "/v1/stream/nowhere-at-all" }, 404],
    [{ "stream-forked-from": "/v1/stream/../x" }, 400],
    [{ "stream-forked-from": "" }, 400],
    [{ "stream-fork-offset": tail }, 400],
    [{ "stream-fork-sub-offset": "1" }, 400],
    [{ ...from, "stream-fork-offset": beyond }, 400],
    [{ ...from, "stream-fork-offset": "nonsense" }, 400],
    [{ ...from, "stream-fork-offset": "-1", "stream-fork-sub-offset": "14" }, 400],
    [{ ...from, "stream-fork-sub-offset": "-1" }, 400],
    [{ ...from, "stream-fork-sub-offset": "1.5" }, 400],
    [{ ...from, "stream-fork-sub-offset": "99999999999999999999" }, 400],
    [{ ...from, "content-type": "application/json" }, 409],
  ];
  for (const [headers, status] of wrong) {
    const fresh = `${node.url}/v1/stream/wrong-${crypto.randomUUID()}`;
    await expectError(await put(fresh, headers), status);
    await expectError(await fetch(fresh), 404);
  }
});

Deno.test("a fork of a closed stream is open, and inherits no producers and no Stream-Seq", async () => {
  const source = await createStream(node.url);
  const producer = { "producer-id": "p", "producer-epoch": "5", "producer-seq": "0" };
  await append(source, "a", { headers: { ...producer, "stream-seq": "zzz" } });
  await append(source, "", { headers: { "stream-closed": "true" } });
  const fork = await forkOf(source);
  const again = { ...producer, "producer-epoch": "0" };
  await append(fork, "b", { headers: { ...again, "stream-seq": "a" } });
  const read = await readAll(fork);
  assert.deepEqual([read.text, read.closed], ["ab", false]);
});

Deno.test("a follower of a fork gets the inherited bytes, its own, and none of the source's", async () => {
  const source = await createStream(node.url, undefined, { body: "inherited " });
  const fork = await forkOf(source);
  const tail = nextOffset(await fetch(fork, { method: "HEAD" }));
  const polled = fetch(`${fork}?offset=-1&live=long-poll`);
  assert.equal(await expectStatus(await within(2000, "inherited data", polled), 200), "inherited ");
  const waiting = fetch(`${fork}?offset=${tail}&live=long-poll`);
  const events = serverSentEvents(await fetch(`${fork}?offset=-1&live=sse`));
  const data: string[] = [];
  const take = async () => {
    for await (const { event, data: text } of events) {
      if (event === "data") data.push(text);
      if (data.length === 2) return;
    }
  };
  await append(source, "the source's");
  await append(fork, "own");
  await within(5000, "two data events", take());
  assert.deepEqual(data, ["inherited ", "own"]);
  assert.equal(await expectStatus(await within(5000, "the long-poll", waiting), 200), "own");
});

Deno.test("forks made while their source is deleted come whole or not at all", async () => {
  for (let round = 0; round < 8; round++) {
    const source = await createStream(node.url, undefined, { body: "bytes" });
    const forks = Array.from({ length: 6 }, async () => {
      const url = `${node.url}/v1/stream/race-${crypto.randomUUID()}`;
      const response = await put(url, { "stream-forked-from": pathOf(source) });
      await response.body?.cancel();
      return { url, status: response.status };
    });
    await expectStatus(await fetch(source, { method: "DELETE" }), 204);
    for (const { url, status } of await Promise.all(forks)) {
      if (status === 201) assert.equal((await readAll(url)).text, "bytes");
      else {
        assert.ok(status === 404 || status === 409, `${status}`);
        await expectError(await fetch(url), 404);
      }
    }
  }
});
