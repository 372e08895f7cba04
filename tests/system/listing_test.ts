/** The listing (docs/extensions.md): what it shows, page by page, and nothing of what it must not. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { ADMIN, ask, makeToken, secretFiles } from "../access/support.ts";
import { append, createStream } from "../support/http.ts";
import {
  Events,
  eventually,
  expectError,
  expectStatus,
  nextOffset,
  serverForThisFile,
} from "./support.ts";

const files = secretFiles({ admin: ADMIN });
globalThis.addEventListener("unload", () => files.remove());

const SERVERS = {
  "deno, postgres": serverForThisFile("postgres"),
  "bun, embedded": serverForThisFile("embedded", { runtime: "bun" }),
};
const guarded = serverForThisFile("postgres", {
  args: ["--admin-token-file", files.path("admin")],
});

interface Entry {
  readonly path: string;
  readonly next_offset: string;
  readonly labels: Record<string, string>;
  readonly [member: string]: unknown;
}

interface Page {
  readonly streams: Entry[];
  readonly next_after: string | null;
}

async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url);
  assert.equal(response.headers.get("cache-control"), "no-store");
  return JSON.parse(await expectStatus(response, 200)) as T;
}

/** All pages, joined. */
async function listAll(base: string, query: string): Promise<Entry[]> {
  const found: Entry[] = [];
  for (let after: string | null = "", pages = 0; after !== null; pages++) {
    assert.ok(pages < 1000, "the pages end");
    const page: Page = await getJson<Page>(
      `${base}/v1/stream/__ds/streams?${query}&after=${encodeURIComponent(after)}`,
    );
    found.push(...page.streams);
    after = page.next_after;
  }
  return found;
}

const pathsOf = (entries: readonly Entry[]) => entries.map(({ path }) => path);

for (const [name, server] of Object.entries(SERVERS)) {
  Deno.test(`an entry says what there is to know of a stream: ${name}`, async () => {
    const base = server.url;
    const began = Date.now();
    const url = await createStream(base, "entry/one", {
      contentType: "application/json",
      headers: { "stream-ttl": "3600", "stream-label-team": "a b", "stream-label-0-x": "" },
      body: "[1,2]",
    });
    const offset = await append(url, "[3]", { contentType: "application/json" });
    const fork = await fetch(`${base}/v1/stream/entry/two`, {
      method: "PUT",
      headers: { "stream-forked-from": "entry/one", "stream-label-team": "fork" },
    });
    await expectStatus(fork, 201);
    await expectStatus(
      await fetch(url, { method: "POST", headers: { "stream-closed": "true" } }),
      204,
    );

    const { streams: [one, two], next_after: next } = await getJson<Page>(
      `${base}/v1/stream/__ds/streams?prefix=entry/`,
    );
    assert.equal(next, null);
    for (const member of ["created_at", "last_append_at"]) {
      const at = Date.parse(one![member] as string);
      assert.ok(at >= began - 1000 && at <= Date.now() + 1000, member);
    }
    const { created_at: _created, last_append_at: _appended, ...rest } = one!;
    assert.deepEqual(rest, {
      path: "entry/one",
      content_type: "application/json",
      earliest_offset: "0000000000000000_0000000000000000",
      next_offset: offset,
      bytes: 6,
      messages: null,
      closed: true,
      ttl_seconds: 3600,
      expires_at: null,
      forked_from: null,
      forks: 1,
      followers: 0,
      retention: null,
      labels: { "0-x": "", team: "a b" },
    });
    assert.deepEqual(
      [two!.forked_from, two!.bytes, two!.messages, two!.next_offset, two!.last_append_at],
      ["entry/one", 0, 0, offset, null],
    );
    assert.equal(nextOffset(fork), two!.next_offset);
    assert.deepEqual(two!.labels, { team: "fork" });
  });

  Deno.test(`pages go in byte order, each stream once, whatever is written: ${name}`, async () => {
    const base = server.url;
    const names = [
      "-",
      "a",
      "a b",
      "a/b",
      "a-b",
      "ab",
      "Z",
      "é",
      "\u{fffc}",
      "\u{1f600}",
      "%",
      "_",
    ];
    const all = [...names, ...names.map((text) => `${text}/x`)].map((text) => `order/${text}`);
    await Promise.all(
      all.map((path) => createStream(base, path.split("/").map(encodeURIComponent).join("/"))),
    );
    const utf8 = new TextEncoder();
    const hex = (text: string) => utf8.encode(text).toHex();
    const expected = all.toSorted((a, b) => hex(a) < hex(b) ? -1 : 1);
    for (const limit of [1, 2, 7, 24, 1000]) {
      assert.deepEqual(pathsOf(await listAll(base, `prefix=order/&limit=${limit}`)), expected);
    }
    assert.deepEqual(
      pathsOf(await listAll(base, "prefix=order/a")),
      expected.filter((path) => path.startsWith("order/a")),
    );

    const first = await getJson<Page>(`${base}/v1/stream/__ds/streams?prefix=order/&limit=5`);
    await createStream(base, "order/-0");
    await fetch(`${base}/v1/stream/order/_`, { method: "DELETE" });
    const rest = await listAll(
      base,
      `prefix=order/&limit=3`,
    ).then((entries) => pathsOf(entries));
    assert.ok(rest.includes("order/-0") && !rest.includes("order/_"));
    const after = encodeURIComponent(first.next_after!);
    const second = await getJson<Page>(
      `${base}/v1/stream/__ds/streams?prefix=order/&after=${after}`,
    );
    assert.deepEqual(
      [...pathsOf(first.streams), ...pathsOf(second.streams)],
      expected.filter((path) => path !== "order/_"),
    );
  });

  Deno.test(`what has ended is not listed: ${name}`, async () => {
    const base = server.url;
    await createStream(base, "ended/deleted");
    await fetch(`${base}/v1/stream/ended/deleted`, { method: "DELETE" });
    await createStream(base, "ended/source");
    await createStream(base, "ended/fork", { headers: { "stream-forked-from": "ended/source" } });
    await fetch(`${base}/v1/stream/ended/source`, { method: "DELETE" });
    await createStream(base, "ended/expired", {
      headers: { "stream-expires-at": new Date(Date.now() + 700).toISOString() },
    });
    await eventually(10_000, "the stream has expired", async () => {
      const listed = pathsOf(await listAll(base, "prefix=ended/"));
      return listed.join() === "ended/fork" || undefined;
    });
    for (const path of ["deleted", "source", "expired", "never"]) {
      const response = await fetch(`${base}/v1/stream/__ds/streams/ended/${path}`);
      assert.equal(await expectError(response, 404), "STREAM_NOT_FOUND");
    }
  });

  Deno.test(`labels: HEAD, the filter, and the same PUT again: ${name}`, async () => {
    const base = server.url;
    for (let at = 0; at < 30; at++) {
      await createStream(base, `label/${String(at).padStart(2, "0")}`, {
        headers: {
          "Stream-Label-Third": String(at % 3),
          "stream-label-even": String(at % 2 === 0),
        },
      });
    }
    const url = `${base}/v1/stream/label/04`;
    const head = await fetch(url, { method: "HEAD" });
    assert.equal(head.headers.get("stream-label-third"), "1");
    const even = await listAll(base, "label=third:1&label=even:true&limit=2");
    assert.deepEqual(
      pathsOf(even),
      ["label/04", "label/10", "label/16", "label/22", "label/28"],
    );
    assert.deepEqual(await listAll(base, "label=third:1&prefix=other/"), []);
    assert.deepEqual(await listAll(base, "label=third:9"), []);

    const put = (headers: Record<string, string>) =>
      fetch(url, { method: "PUT", headers: { "content-type": "text/plain", ...headers } });
    const same = { "stream-label-third": "1", "stream-label-even": "true" };
    await expectStatus(await put(same), 200);
    await expectStatus(await put({}), 200);
    assert.equal(
      await expectError(await put({ ...same, "stream-label-more": "1" }), 409),
      "CONFLICT",
    );
    assert.equal(await expectError(await put({ "stream-label-third": "1" }), 409), "CONFLICT");
    const many = Object.fromEntries(
      Array.from({ length: 17 }, (_, at) => [`stream-label-${at}`, ""]),
    );
    for (
      const wrong of [
        many,
        { "stream-label-": "x" },
        { "stream-label-a_b": "x" },
        { [`stream-label-${"n".repeat(65)}`]: "x" },
        { "stream-label-a": "x".repeat(257) },
        { "stream-label-a": "\u00e9" },
      ]
    ) {
      assert.equal(
        await expectError(await put(wrong as Record<string, string>), 400),
        "INVALID_LABEL",
      );
    }
  });

  Deno.test(`a stream shows its forks, and its followers on this node: ${name}`, async () => {
    const base = server.url;
    const url = await createStream(base, "tree/root", { body: "x" });
    const fork = (path: string, source: string) =>
      createStream(base, path, { headers: { "stream-forked-from": source } });
    for (let n = 0; n < 102; n++) await fork(`tree/fork-${n}`, "tree/root");
    await fork("tree/deep", "tree/fork-7");
    await expectStatus(await fetch(`${base}/v1/stream/tree/fork-0`, { method: "DELETE" }), 204);
    const show = (path: string) =>
      getJson<Entry & { fork_paths: string[] }>(`${base}/v1/stream/__ds/streams/${path}`);
    const root = await show("tree/root");
    assert.equal(root.forks, 101);
    assert.equal(root.fork_paths.length, 100, "not more than a hundred");
    assert.deepEqual(root.fork_paths, root.fork_paths.toSorted());
    assert.ok(!root.fork_paths.includes("tree/fork-0") && !root.fork_paths.includes("tree/deep"));
    assert.deepEqual((await show("tree/fork-7")).fork_paths, ["tree/deep"]);
    assert.deepEqual((await show("tree/deep")).fork_paths, []);

    assert.equal(root.followers, 0);
    const first = await Events.open(url, "-1");
    const second = await Events.open(url, "-1");
    const followed = (count: number) =>
      eventually(
        5000,
        `${count} followers`,
        async () => (await show("tree/root")).followers === count || undefined,
      );
    await followed(2);
    const { streams } = await getJson<Page>(`${base}/v1/stream/__ds/streams?prefix=tree/root`);
    assert.equal(streams[0]!.followers, 2);
    await first.close();
    await followed(1);
    await second.close();
    await followed(0);
  });

  Deno.test(`one stream shows its producers and subscriptions: ${name}`, async () => {
    const base = server.url;
    const url = await createStream(base, "one/of all");
    for (const [id, seq] of [["first", 0], ["second", 0], ["second", 1]] as const) {
      await append(url, "x", {
        headers: { "producer-id": id, "producer-epoch": "0", "producer-seq": String(seq) },
      });
    }
    await createStream(base, "one/wakes", { contentType: "application/json" });
    await expectStatus(
      await fetch(`${base}/v1/stream/__ds/subscriptions/one`, {
        method: "PUT",
        body: JSON.stringify({ type: "pull-wake", pattern: "one/*", wake_stream: "one/wakes" }),
      }),
      201,
    );
    await append(url, "y");
    const entry = await getJson<
      Entry & { producers: Record<string, unknown>[]; subscriptions: Record<string, unknown>[] }
    >(`${base}/v1/stream/__ds/streams/one/of%20all`);
    assert.deepEqual(
      entry.producers.map(({ last_append_at: at, ...producer }) => {
        assert.ok(Math.abs(Date.parse(at as string) - Date.now()) < 60_000);
        return producer;
      }),
      [{ id: "second", epoch: 0, seq: 1 }, { id: "first", epoch: 0, seq: 0 }],
    );
    assert.equal(entry.producers_total, 2);
    assert.equal(entry.subscriptions.length, 1);
    const { acked_offset: acked, ...subscription } = entry.subscriptions[0]!;
    assert.deepEqual(subscription, {
      id: "one",
      type: "pull-wake",
      next_offset: entry.next_offset,
    });
    assert.match(acked as string, /^[0-9]{16}_[0-9]{16}$/);

    const { subscriptions } = await getJson<{ subscriptions: Record<string, unknown>[] }>(
      `${base}/v1/stream/__ds/subscriptions`,
    );
    assert.deepEqual([subscriptions[0]!.id, subscriptions[0]!.streams], ["one", 1]);
  });

  Deno.test(`usage is the sum of what is listed: ${name}`, async () => {
    const base = server.url;
    for (let at = 0; at < 5; at++) await createStream(base, `sum/${at}`, { body: "x".repeat(at) });
    await createStream(base, "sum/fork", {
      headers: { "stream-forked-from": "sum/4" },
      body: "yz",
    });
    assert.deepEqual(await getJson(`${base}/v1/stream/__ds/usage?prefix=sum/`), {
      prefix: "sum/",
      streams: 6,
      bytes: 12,
      estimated: false,
    });
    assert.deepEqual(await getJson(`${base}/v1/stream/__ds/usage?prefix=nothing/`), {
      prefix: "nothing/",
      streams: 0,
      bytes: 0,
      estimated: false,
    });
  });

  Deno.test(`bad input is refused: ${name}`, async () => {
    const list = `${server.url}/v1/stream/__ds/streams`;
    const wrong = [
      ...["limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "offset=-1", "prefix=a&prefix=b"],
      ...["prefix=%00", "prefix=%ff", `prefix=${"x".repeat(1025)}`, "label=x", "label=A:b"],
      ...["label=a:1&label=a:2", `after=${"x".repeat(1025)}`],
    ];
    for (const query of wrong) {
      assert.equal(
        await expectError(await fetch(`${list}?${query}`), 400),
        "INVALID_REQUEST",
        query,
      );
    }
    assert.equal(
      await expectError(await fetch(list, { method: "PUT" }), 405),
      "METHOD_NOT_ALLOWED",
    );
    assert.equal(await expectError(await fetch(`${list}/a?b=c`), 400), "INVALID_REQUEST");
    assert.equal(await expectError(await fetch(`${list}/a%2fb`), 400), "INVALID_PATH");
  });
}

Deno.test("a principal sees what its rules let it list, and no sign of anything else", async () => {
  const base = guarded.url;
  const paths = ["a", "a/1", "a/1/x", "a/2", "a/2/x", "a-b", "b/1", "b/1/x", "c"];
  for (const path of paths) {
    const created = await ask(`${base}/v1/stream/${path}`, {
      method: "PUT",
      token: ADMIN,
      body: "x",
    });
    assert.equal(created.status, 201);
  }
  const list = async (token: string, query: string) => {
    const response = await fetch(`${base}/v1/stream/__ds/${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return { status: response.status, body: await response.json() };
  };
  const seen = async (token: string, query = "") => {
    const found: string[] = [];
    for (let after: string | null = ""; after !== null;) {
      const { status, body } = await list(token, `streams?limit=1&after=${after}&${query}`);
      assert.equal(status, 200);
      found.push(...pathsOf(body.streams));
      after = body.next_after as string | null;
      assert.ok(after === null || found.includes(after), `${after} is a path that it sees`);
    }
    return found;
  };
  const rules: [string, string[], string[]][] = [
    ["all", ["list:**"], paths.toSorted()],
    ["a", ["list:a/**"], ["a", "a/1", "a/1/x", "a/2", "a/2/x"]],
    ["middle", ["list:*/1/**"], ["a/1", "a/1/x", "b/1", "b/1/x"]],
    ["two", ["list:a/*", "list:c", "list:a/1"], ["a/1", "a/2", "c"]],
    ["ends", ["list:**/x"], ["a/1/x", "a/2/x", "b/1/x"]],
  ];
  for (const [name, given, expected] of rules) {
    const token = await makeToken(base, name, given);
    assert.deepEqual(await seen(token), expected, name);
    assert.deepEqual(await seen(token, "prefix=a/"), expected.filter((p) => p.startsWith("a/")));
    assert.deepEqual(
      await seen(token, "prefix=a/1/"),
      expected.filter((p) => p.startsWith("a/1/")),
    );
    for (const path of paths) {
      const { status } = await list(token, `streams/${path}`);
      assert.equal(status, expected.includes(path) ? 200 : 403, `${name}: ${path}`);
    }
  }
  for (const [path, source] of [["a/3", "a/1"], ["b/2", "a/1"]]) {
    const headers = { "stream-forked-from": source! };
    const forked = await ask(`${base}/v1/stream/${path}`, { method: "PUT", token: ADMIN, headers });
    assert.equal(forked.status, 201);
  }
  const forks = await makeToken(base, "forks", ["list:a/**"]);
  assert.deepEqual((await list(forks, "streams/a/1")).body.fork_paths, ["a/3"]);
  for (const path of ["a/3", "b/2"]) {
    await ask(`${base}/v1/stream/${path}`, { method: "DELETE", token: ADMIN });
  }
  const a = await makeToken(base, "usage", ["list:a/**"]);
  assert.deepEqual((await list(a, "usage?prefix=a/")).body.streams, 4);
  assert.equal((await list(a, "usage?prefix=a/1")).status, 200);
  for (const prefix of ["", "a", "b/"]) {
    assert.equal((await list(a, `usage?prefix=${prefix}`)).status, 403, prefix);
  }
  const reader = await makeToken(base, "reader", ["read:**"]);
  assert.equal((await list(reader, "streams")).status, 403);
});

Deno.test("where a page stops among streams of others is not told", async () => {
  const base = guarded.url;
  const sql = postgres(guarded.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`insert into penstock.streams (path, content_type)
      select 'many/' || n || '/secret', 'text/plain' from generate_series(1, 15000) n`;
    await sql`insert into penstock.streams (path, content_type) values ('zz/found', 'text/plain')`;
  } finally {
    await sql.end();
  }
  const wild = await makeToken(base, "wild", ["list:*/found"]);
  const within = await makeToken(base, "within", ["list:*/*/found"], { namespace: "many" });
  for (const [token, expected] of [[wild, ["zz/found"]], [within, []]] as const) {
    const found: string[] = [];
    let cursors = 0;
    for (let after: string | null = ""; after !== null;) {
      const query = `limit=1000&after=${encodeURIComponent(after)}`;
      const answer = await ask(`${base}/v1/stream/__ds/streams?${query}`, { token });
      assert.equal(answer.status, 200);
      assert.ok(!JSON.stringify(answer.body).includes("secret"));
      found.push(...pathsOf(answer.body.streams as Entry[]));
      after = answer.body.next_after as string | null;
      if (after?.startsWith("__ds/")) cursors++;
    }
    assert.deepEqual(found, expected);
    assert.ok(cursors >= 1);
  }
  const forged = await ask(`${base}/v1/stream/__ds/streams?after=__ds/AAAA`, { token: wild });
  assert.deepEqual([forged.status, forged.code], [400, "INVALID_REQUEST"]);
});
