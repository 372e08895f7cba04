/** A tenant that wants to learn of others, or to cost more than its share, by what lists and reads back. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import postgres from "postgres";
import { serverForThisFile } from "../system/support.ts";
import { ADMIN, ask, makeToken, secretFiles } from "./support.ts";

const files = secretFiles({ admin: ADMIN });
globalThis.addEventListener("unload", () => files.remove());
const args = ["--admin-token-file", files.path("admin")];
const server = serverForThisFile("postgres", { args });

const url = (path: string) => `${server.url}/v1/stream/${path}`;

async function create(path: string, headers: Record<string, string> = {}, body = "x") {
  const answer = await ask(url(path), {
    ...{ method: "PUT", token: ADMIN, body },
    headers: { "content-type": "text/plain", ...headers },
  });
  assert.equal(answer.status, 201, answer.code ?? "");
}

async function insert(select: string): Promise<void> {
  const sql = postgres(server.databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(`insert into penstock.streams (path, content_type, labels) ${select}`);
  } finally {
    await sql.end();
  }
}

Deno.test("a fork does not name a source that its reader may not list", async () => {
  await create("hidden/source");
  await create("shown/fork", { "stream-forked-from": "hidden/source" });
  await create("shown/second", { "stream-forked-from": "shown/fork" });
  const token = await makeToken(server.url, "forks", ["list:shown/**"]);
  const list = await ask(url("__ds/streams"), { token });
  const named = (list.body.streams as { path: string; forked_from: string | null }[])
    .map(({ path, forked_from: source }) => [path, source]);
  assert.deepEqual(named, [["shown/fork", null], ["shown/second", "shown/fork"]]);
  assert.equal((await ask(url("__ds/streams/shown/fork"), { token })).body.forked_from, null);
});

Deno.test("rules as many and long as there may be are matched in a bounded time", async () => {
  const long = "aaaaaaaaaaaaaaaaaaaa/".repeat(40);
  await insert(`select 'deep/${long}' || n, 'text/plain', null from generate_series(1, 20000) n`);
  const rules = {
    deep: (at: number) => `list:**/a${at}/**/b/**/c/**/d/**/e/**/f/**/g/**`,
    long: (at: number) => `list:*/${"*/".repeat(50)}x${at}`,
    both: (at: number) => `list:${"**/".repeat(7)}${"*/".repeat(50)}x${at}`,
    literal: (at: number) => `list:*/${"z".repeat(950)}${at}`,
  };
  for (const [name, rule] of Object.entries(rules)) {
    const token = await makeToken(
      server.url,
      name,
      Array.from({ length: 64 }, (_, at) => rule(at)),
    );
    const answer = await ask(url("__ds/streams?limit=1000"), { token });
    assert.equal(answer.status, 200, name);
    assert.deepEqual(answer.body.streams, []);
  }
});

Deno.test("labels do not make a page as large as their holder likes", async () => {
  await insert(`select 'label/' || n, 'text/plain', (
      select jsonb_object_agg('name-' || l, repeat('v', 256)) from generate_series(1, 16) l
    ) from generate_series(1, 1000) n`);
  const token = await makeToken(server.url, "labels", ["list:label/**"]);
  let found = 0;
  for (let after: string | null = ""; after !== null;) {
    const response: Response = await fetch(url(`__ds/streams?limit=1000&after=${after}`), {
      headers: { authorization: `Bearer ${token}` },
    });
    const text: string = await response.text();
    assert.ok(text.length < 2 << 20, `${text.length} bytes`);
    const page = JSON.parse(text) as { streams: unknown[]; next_after: string | null };
    found += page.streams.length;
    after = page.next_after;
  }
  assert.equal(found, 1000);
});

Deno.test("the list of subscriptions looks at those of the holder's namespace alone", async () => {
  const put = async (token: string, id: string) => {
    const answer = await ask(url(`__ds/subscriptions/${id}`), {
      ...{ method: "PUT", token },
      body: { type: "pull-wake", pattern: "x/*", wake_stream: "wakes" },
    });
    assert.equal(answer.status, 201, answer.code ?? "");
  };
  const rules = ["subscribe,read,append,create,list:**"];
  const tokens = new Map<string, string>();
  for (const namespace of ["sub", "sub-a", "sub0", "su"]) {
    const token = await makeToken(server.url, `subs-${namespace}`, rules, { namespace });
    tokens.set(namespace, token);
    await ask(url("wakes"), {
      ...{ method: "PUT", token },
      headers: { "content-type": "application/json" },
    });
    for (const id of ["a", "b", "c"]) await put(token, id);
  }
  for (const [namespace, token] of tokens) {
    const found: [string, string, number][] = [];
    for (let after: string | null = ""; after !== null;) {
      const { body } = await ask(url(`__ds/subscriptions?limit=1&after=${after}`), { token });
      const page = body.subscriptions as { id: string; pattern: string; streams: number }[];
      found.push(...page.map(({ id, pattern, streams }): [string, string, number] => [
        ...[id, pattern] as const,
        streams,
      ]));
      after = body.next_after as string | null;
    }
    assert.deepEqual(found, [["a", "x/*", 0], ["b", "x/*", 0], ["c", "x/*", 0]], namespace);
  }
});

Deno.test("a namespace lists, counts and pages by its own names", async () => {
  for (const path of ["ns/a", "ns/b", "ns/b/c", "ns", "ns0", "ns-x/a", "n/s/a"]) await create(path);
  const token = await makeToken(server.url, "ns", ["list:**"], { namespace: "ns" });
  const list = async (query: string) => (await ask(url(`__ds/${query}`), { token })).body;
  const paths = (body: Record<string, unknown>) =>
    (body.streams as { path: string }[]).map(({ path }) => path);
  assert.deepEqual(paths(await list("streams")), ["a", "b", "b/c"]);
  const first = await list("streams?limit=1");
  assert.deepEqual([paths(first), first.next_after], [["a"], "a"]);
  assert.deepEqual(paths(await list("streams?after=a&prefix=b")), ["b", "b/c"]);
  assert.deepEqual(paths(await list("streams?prefix=ns")), []);
  assert.deepEqual((await list("usage")).streams, 3);
  assert.deepEqual((await list("usage?prefix=b/")).streams, 1);
  for (const outside of ["ns/a", "../ns0", "%2e%2e/ns0", "ns0"]) {
    const { status } = await ask(url(`__ds/streams/${outside}`), { token });
    assert.ok(status === 404 || status === 400 || status === 403, `${outside}: ${status}`);
  }
});

Deno.test("what one principal has cached tells another nothing", async () => {
  await create("cache/mine", {}, "secret bytes");
  const mine = await makeToken(server.url, "mine", ["read,list:cache/**"]);
  const other = await makeToken(server.url, "other", ["read,list:other/**"]);
  for (const query of ["", "?offset=-1", "?tail=5", "?before=now&limit=3"]) {
    const warm = await ask(url(`cache/mine${query}`), { token: mine });
    assert.equal(warm.status, 200);
    assert.match(warm.headers.get("cache-control")!, /^(private|no-store)/);
    assert.match(warm.headers.get("vary")!, /authorization/i);
    const etag = warm.headers.get("etag")!;
    for (const headers of [{}, { "if-none-match": etag }, { "if-none-match": "*" }]) {
      const answer = await ask(url(`cache/mine${query}`), { token: other, headers });
      assert.deepEqual([answer.status, answer.headers.get("etag")], [403, null]);
      const missing = await ask(url(`cache/none${query}`), { token: other, headers });
      assert.deepEqual([missing.status, missing.body], [answer.status, answer.body]);
      assert.equal((await ask(url(`cache/mine${query}`), { headers })).status, 401);
    }
  }
  // The offset of another stream is one of no stream, wherever it stands.
  await create("other/own", {}, "own bytes here");
  const offset = (await ask(url("cache/mine"), { token: mine })).headers.get("stream-next-offset")!;
  for (
    const [query, headers] of [
      ["?offset=0000000000000000_0000000000000000&live=sse", { "last-event-id": offset }],
      [`?before=${offset}&limit=1`, {}],
      [`?offset=${offset}`, {}],
    ] as const
  ) {
    const answer = await ask(url(`other/own${query}`), { token: other, headers });
    assert.deepEqual([answer.status, answer.code], [410, "OFFSET_OF_ANOTHER_STREAM"], query);
  }
});

Deno.test("the holder of a signed URL may read from the end, of that stream alone", async () => {
  await create("signed/one", {}, "0123456789");
  const signed = await ask(url("__ds/sign"), {
    ...{ method: "POST", token: ADMIN },
    body: { path: "signed/one", operation: "read", expires_in_seconds: 60 },
  });
  const given = new URL(signed.body.url as string);
  const read = async (path: string, query: string) => {
    const response = await fetch(`${url(path)}${given.search}${query}`);
    return [response.status, Buffer.from(await response.arrayBuffer()).toString()];
  };
  assert.deepEqual(await read("signed/one", "&tail=3"), [200, "789"]);
  assert.deepEqual(await read("signed/one", "&before=now&limit=2"), [200, "89"]);
  for (
    const [path, query] of [
      ["cache/mine", "&tail=3"],
      ["__ds/streams", ""],
      ["__ds/usage", ""],
      ["__ds/subscriptions", ""],
      ["__ds/node", ""],
      ["__ds/dump", ""],
      ["__ds/streams/signed/one", ""],
    ] as const
  ) {
    assert.equal((await read(path, query))[0], 401, path);
  }
});
