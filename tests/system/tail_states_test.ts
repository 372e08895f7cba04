/**
 * `?tail=` and `?before=` of streams that were trimmed, merged, forked from trimmed ones or closed, and
 * of such as grow meanwhile, against a model.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import postgres from "postgres";
import { append, createStream } from "../support/http.ts";
import { expectError, expectStatus, serverForThisFile } from "./support.ts";

const SERVERS = {
  "deno, postgres": serverForThisFile("postgres"),
  "bun, embedded": serverForThisFile("embedded", { runtime: "bun" }),
};

const JSON_TYPE = { contentType: "application/json" };
const MAX_AGE = /max-age=60/;

interface BackwardPage {
  readonly messages: unknown[];
  readonly headers: Headers;
}

async function read(url: string): Promise<BackwardPage> {
  const response = await fetch(url);
  const text = await response.text();
  assert.equal(response.status, 200, text.slice(0, 300));
  return { messages: JSON.parse(text) as unknown[], headers: response.headers };
}

async function readBackwards(url: string, limit: number): Promise<unknown[]> {
  const pages: unknown[][] = [];
  for (let query = `tail=${limit}`;;) {
    const { messages, headers } = await read(`${url}?${query}`);
    pages.unshift(messages);
    const previous = headers.get("stream-previous-offset");
    if (previous === null) return pages.flat();
    assert.equal(messages.length, limit, "a page is full unless it is the last");
    query = `before=${previous}&limit=${limit}`;
  }
}

async function trim(url: string, before: string): Promise<void> {
  const [base, path] = url.split("/v1/stream/");
  const response = await fetch(`${base}/v1/stream/__ds/streams/${path}/trim`, {
    method: "POST",
    body: JSON.stringify({ before }),
  });
  await expectStatus(response, 200);
}

/** As compaction does it, at once. Embedded servers do it by themselves, later. */
async function merge(databaseUrl: string | null, url: string): Promise<void> {
  if (databaseUrl === null) return;
  const path = url.split("/v1/stream/")[1]!;
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`select m.* from penstock.stream_states s
      cross join lateral penstock.merge_segments(s.id, 0, s.tail, 1000) m where s.path = ${path}`;
  } finally {
    await sql.end();
  }
}

/** A stream, its messages from its earliest offset on, and the offset after each. */
interface Model {
  readonly url: string;
  messages: string[];
  ends: string[];
}

for (const [name, server] of Object.entries(SERVERS)) {
  const databaseOf = () => name.includes("postgres") ? server.databaseUrl : null;

  Deno.test(`trimmed, merged and forked streams are read backwards: ${name}`, async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant("append"), size: fc.nat(20_000) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("trim"), size: fc.nat(100) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("fork"), size: fc.nat(100) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("merge"), size: fc.constant(0) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 4, maxLength: 14 }),
        fc.integer({ min: 1, max: 5 }),
        async (steps, limit) => {
          const url = await createStream(server.url, undefined, JSON_TYPE);
          const models: Model[] = [{ url, messages: [], ends: [] }];
          for (const [at, { kind, size }] of steps.entries()) {
            const model = models[at % models.length]!;
            const place = size % (model.ends.length + 1);
            if (kind === "append") {
              const message = `${at} ${"x".repeat(size)}`;
              model.ends.push(await append(model.url, JSON.stringify([message]), JSON_TYPE));
              model.messages.push(message);
            } else if (kind === "trim" && place > 0) {
              await trim(model.url, model.ends[place - 1]!);
              model.messages = model.messages.slice(place);
              model.ends = model.ends.slice(place);
            } else if (kind === "fork" && place > 0) {
              const forkUrl = await createStream(server.url, undefined, {
                ...JSON_TYPE,
                headers: {
                  "stream-forked-from": new URL(model.url).pathname,
                  "stream-fork-offset": model.ends[place - 1]!,
                },
              });
              models.push({
                url: forkUrl,
                messages: model.messages.slice(0, place),
                ends: model.ends.slice(0, place),
              });
            } else if (kind === "merge") {
              await merge(databaseOf(), model.url);
            }
          }
          for (const { url, messages } of models) {
            assert.deepEqual(await readBackwards(url, limit), messages);
            assert.deepEqual((await read(`${url}?tail=3`)).messages, messages.slice(-3));
          }
        },
      ),
      { numRuns: 10 },
    );
  });

  Deno.test(`before an offset that was dropped is 410 with the earliest: ${name}`, async () => {
    const url = await createStream(server.url, undefined, JSON_TYPE);
    const ends: string[] = [];
    for (let at = 0; at < 4; at++) ends.push(await append(url, `[${at}]`, JSON_TYPE));
    await trim(url, ends[1]!);
    const dropped = await fetch(`${url}?before=${ends[0]}&limit=1`);
    assert.equal(dropped.headers.get("stream-earliest-offset"), ends[1]);
    assert.equal(await expectError(dropped, 410), "OFFSET_TRIMMED");
    const first = await read(`${url}?before=${ends[1]}&limit=1`);
    assert.deepEqual(first.messages, [], "nothing lies before the earliest offset");
    assert.equal(first.headers.get("stream-previous-offset"), null);
    // The earliest offset is where a fork of what is left begins, too.
    const fork = await createStream(server.url, undefined, {
      ...JSON_TYPE,
      headers: {
        "stream-forked-from": new URL(url).pathname,
        "stream-fork-offset": ends[2]!,
      },
    });
    await trim(url, "now");
    assert.deepEqual((await read(`${url}?tail=9`)).messages, []);
    assert.deepEqual(await readBackwards(fork, 1), [2]);
    const before = await fetch(`${fork}?before=${ends[0]}&limit=1`);
    assert.equal(await expectError(before, 410), "OFFSET_TRIMMED");
  });

  Deno.test(`empty and closed streams have an end, too: ${name}`, async () => {
    for (const contentType of ["application/json", "text/plain"]) {
      const url = await createStream(server.url, undefined, { contentType });
      const ask = async (query: string) => {
        const response = await fetch(`${url}?${query}`);
        return { text: await response.text(), status: response.status, headers: response.headers };
      };
      const empty = contentType === "text/plain" ? "" : "[]";
      const start = (await fetch(url, { method: "HEAD" })).headers.get("stream-next-offset")!;
      for (const query of ["tail=5", "before=-1&limit=5", "before=now&limit=5"]) {
        const { status, text, headers } = await ask(query);
        assert.deepEqual([status, text], [200, empty], query);
        assert.equal(headers.get("stream-next-offset"), start);
        assert.equal(headers.get("stream-up-to-date"), "true");
        assert.equal(headers.get("stream-previous-offset"), null);
        assert.equal(headers.get("stream-closed"), null);
      }
      const open = (await ask("tail=5")).headers.get("etag");
      await fetch(url, { method: "POST", headers: { "stream-closed": "true" } });
      const { text, headers } = await ask("tail=5");
      assert.equal(text, empty);
      assert.equal(headers.get("stream-closed"), "true");
      assert.notEqual(headers.get("etag"), open, "a reader that asks again learns of the close");
    }
  });

  Deno.test(`what caches may keep of pages backwards: ${name}`, async () => {
    const url = await createStream(server.url, undefined, JSON_TYPE);
    const ends: string[] = [];
    for (let at = 0; at < 4; at++) ends.push(await append(url, `[${at}]`, JSON_TYPE));
    const cacheControl = async (query: string) =>
      (await read(`${url}?${query}`)).headers.get("cache-control")!;
    assert.match(await cacheControl(`before=${ends[2]}&limit=1`), MAX_AGE);
    for (const query of ["tail=1", "tail=9", `before=${ends[3]}&limit=1`, "before=now&limit=2"]) {
      assert.equal(await cacheControl(query), "no-cache", query);
    }
    // It ends before the tail, but begins where the stream does, which a trim moves.
    const whole = await read(`${url}?before=${ends[2]}&limit=9`);
    await trim(url, ends[0]!);
    const left = await read(`${url}?before=${ends[2]}&limit=9`);
    assert.deepEqual([whole.messages, left.messages], [[0, 1, 2], [1, 2]]);
    assert.equal(left.headers.get("cache-control"), "no-cache");
    assert.equal(await cacheControl("before=-1&limit=1"), "no-cache");
    const again = await fetch(`${url}?before=${ends[2]}&limit=9`, {
      headers: { "if-none-match": whole.headers.get("etag")! },
    });
    assert.equal(again.status, 200, "the page has become another");
    await again.body?.cancel();
    const retained = await createStream(server.url, undefined, {
      ...JSON_TYPE,
      headers: { "stream-retention": "bytes=1000000" },
    });
    const end = await append(retained, "[1]", JSON_TYPE);
    await append(retained, "[2]", JSON_TYPE);
    const page = await read(`${retained}?before=${end}&limit=9`);
    assert.equal(page.headers.get("cache-control"), "no-cache");
  });

  Deno.test(`a tail and what is followed from it miss nothing that is appended: ${name}`, async () => {
    const url = await createStream(server.url, undefined, JSON_TYPE);
    await append(url, "[0]", JSON_TYPE);
    const writing = (async () => {
      for (let at = 1; at <= 60; at++) await append(url, `[${at}]`, JSON_TYPE);
    })();
    const reading = async () => {
      for (let turn = 0; turn < 15; turn++) {
        const { messages, headers } = await read(`${url}?tail=5`);
        const last = messages.at(-1) as number;
        const expected = Array.from(
          { length: Math.min(5, last + 1) },
          (_, at) => last - Math.min(4, last) + at,
        );
        assert.deepEqual(messages, expected);
        const rest = await read(`${url}?offset=${headers.get("stream-next-offset")}`);
        if (rest.messages.length > 0) assert.equal(rest.messages[0], last + 1);
        const previous = headers.get("stream-previous-offset");
        if (previous === null) continue;
        const earlier = await read(`${url}?before=${previous}&limit=1`);
        assert.deepEqual(earlier.messages, [expected[0]! - 1]);
      }
    };
    await Promise.all([writing, reading(), reading()]);
    const { messages } = await read(`${url}?tail=100`);
    assert.deepEqual(messages, Array.from({ length: 61 }, (_, at) => at));
  });
}
