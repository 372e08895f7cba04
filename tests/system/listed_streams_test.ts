/** What the listing says of one stream, and of the sum of several (docs/extensions.md). */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import { type Entry, getJson, type Page } from "./listing.ts";
import { Events, eventually, expectStatus, nextOffset, serverForThisFile } from "./support.ts";

const SERVERS = {
  "deno, postgres": serverForThisFile("postgres"),
  "bun, embedded": serverForThisFile("embedded", { runtime: "bun" }),
};

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
}
