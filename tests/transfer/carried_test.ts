/** What a load carries besides bytes, as a client of the loaded server sees it, and who serves meanwhile. */
import assert from "node:assert/strict";
import { ADMIN, ask, makeToken, secretFiles } from "../access/support.ts";
import { send, Subscription, WakeReader } from "../subscriptions/support.ts";
import { startServer } from "../support/server.ts";
import { dumped, emptyDatabase, loaded } from "./support.ts";

const files = secretFiles({ admin: ADMIN });
globalThis.addEventListener("unload", () => files.remove());
const args = [
  ...["--admin-token-file", files.path("admin"), "--long-poll-timeout", "5s"],
  ...["--anonymous", "append,create,read,subscribe:jobs/** append,create,read:wakes"],
];
const JSON_TYPE = { "content-type": "application/json" };

async function append(url: string, value: unknown): Promise<string> {
  const headers = JSON_TYPE;
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify([value]) });
  assert(response.ok, await response.text());
  return response.headers.get("stream-next-offset")!;
}

Deno.test("labels, times, retention, trims, tokens, signed URLs and cursors are what they were", async () => {
  await using source = await emptyDatabase();
  await using target = await emptyDatabase();
  let node = await startServer({ database: { url: source.url }, args });
  try {
    const at = (path: string) => `${node.url}/v1/stream/${path}`;
    const kept = at("jobs/kept");
    const made = await fetch(kept, {
      method: "PUT",
      headers: {
        ...JSON_TYPE,
        "stream-label-team": "red",
        "stream-retention": "age=864000, bytes=1000000",
        "stream-ttl": "86400",
      },
    });
    assert.equal(made.status, 201, await made.text());
    const before = await append(kept, "dropped");
    await append(kept, "kept");
    const entryOf = async () => {
      const { status, body } = await ask(at("__ds/streams/jobs/kept"), { token: ADMIN });
      assert.equal(status, 200);
      return body;
    };
    const trim = { method: "POST", token: ADMIN, headers: JSON_TYPE, body: { before } };
    assert.equal((await ask(at("__ds/streams/jobs/kept/trim"), trim)).status, 200);

    const reader = await makeToken(node.url, "reader", ["read:jobs/**"]);
    const sign = async (token: string) => {
      const body = { path: "jobs/kept", operation: "read", expires_in_seconds: 3600 };
      const { status, body: signed } = await ask(at("__ds/sign"), { method: "POST", token, body });
      assert.equal(status, 201);
      return new URL(signed.url as string);
    };
    const signed = [await sign(ADMIN), await sign(reader)];

    await fetch(at("wakes"), { method: "PUT", headers: JSON_TYPE });
    const subscription = new Subscription(node.url, "jobs");
    await subscription.create({ type: "pull-wake", pattern: "jobs/*", wake_stream: "wakes" });
    const done = await append(kept, "done");
    await new WakeReader(at("wakes")).next();
    const wake = await subscription.claimed();
    assert.equal((await subscription.ack(wake)).body.ok, true);
    const left = await append(kept, "left");

    const entry = await entryOf();
    assert.deepEqual(entry.labels, { team: "red" });
    assert.equal(entry.earliest_offset, before);
    await node.stop();
    const dump = await dumped(source.database, { secrets: true });
    await loaded(target.database, dump);
    assert(dump.equals(await dumped(target.database, { secrets: true })));

    node = await startServer({ database: { url: target.url }, args });
    // A load counts as an access, which is all that may differ.
    assert.deepEqual(await entryOf(), entry);
    const dropped = await fetch(`${at("jobs/kept")}?offset=${"0".repeat(16)}_${"0".repeat(16)}`);
    assert.equal(dropped.status, 410, await dropped.text());
    assert.equal((await ask(at("jobs/kept"), { token: reader })).status, 200);
    for (const url of signed) {
      const read = await fetch(new URL(url.pathname + url.search, node.url));
      assert.equal(await read.text(), '["kept","done","left"]');
    }
    const loadedSubscription = subscription.at(node.url);
    const events = new WakeReader(at("wakes"));
    let event = await events.next(30_000);
    while (event.generation <= wake.generation) event = await events.next(30_000);
    const again = await loadedSubscription.claimed();
    assert(again.generation > wake.generation);
    const [link] = again.streams.filter(({ path }) => path === "jobs/kept");
    assert.deepEqual([link!.acked_offset, link!.tail_offset], [done, left]);
    assert.equal((await loadedSubscription.ack(again)).body.ok, true);
  } finally {
    await node.stop();
    files.remove();
  }
});

Deno.test("a key of a signed URL is left out where the token that made it is", async () => {
  await using source = await emptyDatabase();
  await using target = await emptyDatabase();
  const token = (hash: string) =>
    `insert into penstock.access_tokens (name, hash, rules) values ('same', '${hash}', 'read:**')`;
  await source.database.execute(`${token("one")};
    insert into penstock.url_keys (id, namespace, token_id, secret)
    select 'of-token', '', t.id, 's' from penstock.access_tokens t;
    insert into penstock.url_keys (id, namespace, secret) values ('of-none', '', 's')`);
  await target.database.execute(token("other"));
  await loaded(target.database, await dumped(source.database, { secrets: true }));
  const keys = await target.database.query("select id, token_id from penstock.url_keys");
  assert.deepEqual([...keys], [{ id: "of-none", token_id: null }]);
});

Deno.test("streams are loaded into a PostgreSQL that a node serves", async () => {
  await using source = await emptyDatabase();
  await using target = await emptyDatabase();
  const [from, to] = [source, target].map(({ url }) =>
    startServer({ database: { url }, args: ["--long-poll-timeout", "5s"] })
  );
  const [there, here] = [await from!, await to!];
  try {
    const make = (base: string, path: string) =>
      send("PUT", `${base}/v1/stream/${path}`, JSON.stringify(["made"]));
    assert.equal((await make(there.url, "jobs/loaded")).status, 201);
    const offset = await append(`${there.url}/v1/stream/jobs/loaded`, 1);
    assert.equal((await make(here.url, "own")).status, 201);
    // The node has been told that there is none.
    assert.equal((await fetch(`${here.url}/v1/stream/jobs/loaded`)).status, 404);
    await make(here.url, "wakes");
    const subscription = new Subscription(here.url, "all");
    await subscription.create({ type: "pull-wake", pattern: "jobs/**", wake_stream: "wakes" });

    await loaded(target.database, await dumped(source.database, { prefix: "jobs/" }), {});
    const url = `${here.url}/v1/stream/jobs/loaded`;
    const follower = fetch(`${url}?offset=${offset}&live=long-poll`);
    await append(url, 2);
    assert.equal(await (await follower).text(), "[2]");
    assert.equal(await (await fetch(url)).text(), '["made",1,2]');
    const wakes = new WakeReader(`${here.url}/v1/stream/wakes`);
    let event = await wakes.next(30_000).catch(() => null);
    // The stream's own message comes first.
    if (event?.type !== "wake") event = await wakes.next(30_000);
    assert.equal(event!.stream, "jobs/loaded");
    const [link] = (await subscription.claimed()).streams;
    assert.equal(link!.path, "jobs/loaded");
  } finally {
    await there.stop();
    await here.stop();
  }
});
