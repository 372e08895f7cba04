/** Creation, re-confirmation, reading, and which streams a subscription has (sections 6.1 to 6.4). */
import assert from "node:assert/strict";
import {
  eventually,
  KINDS,
  serverForThisFile,
  withServer,
  withStorage,
} from "../system/support.ts";
import {
  accept,
  appendTo,
  assertRefused,
  done,
  send,
  stream,
  Subscription,
  unique,
  withReceiver,
} from "./support.ts";

const node = serverForThisFile("postgres", { args: ["--webhook-allow", "localhost"] });
const START = "0000000000000000_0000000000000000";
const HOOK = { url: "https://hook.invalid/" };

Deno.test("a subscription reads as section 6.3 shows it, and re-confirms by what it means", async () => {
  const folder = unique("events");
  const a = await stream(node.url, `${folder}/a`, 1);
  const subscription = new Subscription(node.url, `ü/ ${unique("sub")}`.replace("/", "."));
  const configuration = {
    type: "webhook",
    pattern: `${folder}/*`,
    streams: [`${folder}/m`, a],
    webhook: HOOK,
    wake_stream: "wake/pool",
    description: "an example",
  };
  const created = await subscription.create(configuration);
  const { created_at, webhook, streams, ...rest } = created;
  assert.deepEqual(rest, {
    id: subscription.id,
    subscription_id: subscription.id,
    type: "webhook",
    pattern: `${folder}/*`,
    wake_stream: null,
    lease_ttl_ms: 30000,
    status: "active",
    description: "an example",
  });
  assert.match(created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(webhook.url, HOOK.url);
  assert.deepEqual(Object.keys(webhook.signing), ["alg", "kid", "jwks_url"]);
  const tail = streams[0].acked_offset;
  assert.ok(tail > START);
  assert.deepEqual(streams, [
    { path: a, link_type: "explicit", acked_offset: tail },
    { path: `${folder}/m`, link_type: "explicit", acked_offset: START },
  ]);
  // Order, repetition, defaults and what belongs to the other type are no difference.
  const same = {
    ...configuration,
    streams: [a, `/${folder}/m`, a],
    lease_ttl_ms: 30000,
    wake_stream: null,
  };
  const confirmed = await subscription.put(same);
  assert.equal(confirmed.status, 200);
  assert.deepEqual(confirmed.body, created);
  for (
    const other of [
      { pattern: `${folder}/**` },
      { pattern: null },
      { streams: [a] },
      { webhook: { url: "https://hook.invalid/other" } },
      { lease_ttl_ms: 30001 },
      { description: "another" },
      { description: null },
      { type: "pull-wake" },
    ]
  ) {
    const answered = await subscription.put({ ...configuration, ...other });
    assertRefused(answered, 409, "SUBSCRIPTION_ALREADY_EXISTS");
  }
  assert.deepEqual(await subscription.read(), created);
});

Deno.test("many PUTs of one id at once: one creates, the others confirm", async () => {
  const subscription = new Subscription(node.url);
  const configuration = { type: "webhook", pattern: "none/*", webhook: HOOK };
  const answered = await Promise.all(
    Array.from({ length: 8 }, () => subscription.put(configuration)),
  );
  assert.deepEqual(answered.map(({ status }) => status).sort(), [...Array(7).fill(200), 201]);
});

Deno.test("existing streams begin at their tails, later ones at their start, forks at the fork", async () => {
  await withReceiver([accept], async (receiver) => {
    const folder = unique("events");
    const old = await stream(node.url, `${folder}/old`, 1, 2, 3);
    const subscription = new Subscription(node.url);
    const { streams } = await subscription.create({
      type: "webhook",
      pattern: `${folder}/**`,
      webhook: { url: receiver.url },
    });
    const tail = streams[0].acked_offset;
    assert.deepEqual(streams, [{ path: old, link_type: "glob", acked_offset: tail }]);
    const fork = await fetch(`${node.url}/v1/stream/${folder}/deep/fork`, {
      method: "PUT",
      headers: { "stream-forked-from": old, "content-type": "application/json" },
    });
    assert.equal(fork.status, 201);
    await eventually(5000, "the link", () => subscription.acked(`${folder}/deep/fork`));
    assert.equal(await subscription.acked(`${folder}/deep/fork`), tail);
    assert.equal(receiver.deliveries.length, 0);
    const later = await stream(node.url, `${folder}/later`, 1);
    const { wake } = await receiver.next();
    const pending = wake.streams.filter((item) => item.has_pending);
    assert.deepEqual(pending.map(({ path, acked_offset }) => [path, acked_offset]), [[
      later,
      START,
    ]]);
  });
});

Deno.test("explicit links: added at the tail, shown before glob, removed without it", async () => {
  await withReceiver([done], async (receiver) => {
    const folder = unique("events");
    const matched = await stream(node.url, `${folder}/in/matched`, 1);
    const apart = await stream(node.url, `${folder}/apart`, 1, 2);
    const subscription = new Subscription(node.url);
    await subscription.create({
      type: "webhook",
      pattern: `${folder}/in/*`,
      webhook: { url: receiver.url },
    });
    const links = async () =>
      (await subscription.read()).streams.map((link: { path: string; link_type: string }) =>
        `${link.path.slice(folder.length)} ${link.link_type}`
      );
    const add = (...streams: string[]) => send("POST", `${subscription.url}/streams`, { streams });
    const remove = (path: string) => send("DELETE", `${subscription.url}/streams/${path}`);
    const nothing = `${folder}/in/nothing`;
    for (let twice = 0; twice < 2; twice++) {
      assert.equal((await add(apart, matched, nothing)).status, 204);
      assert.deepEqual(await links(), [
        "/apart explicit",
        "/in/matched explicit",
        "/in/nothing explicit",
      ]);
    }
    assert.ok((await subscription.acked(apart))! > START);
    const offset = await appendTo(node.url, apart, 3);
    await eventually(
      5000,
      "the ack",
      async () => await subscription.acked(apart) === offset || undefined,
    );
    for (let twice = 0; twice < 2; twice++) {
      assert.equal((await remove(matched)).status, 204);
      assert.equal((await remove(encodeURIComponent(apart))).status, 204);
      assert.equal((await remove(nothing)).status, 204);
      assert.deepEqual(await links(), ["/in/matched glob"]);
    }
    await appendTo(node.url, apart, 4);
    const last = await appendTo(node.url, matched, 2);
    await eventually(
      5000,
      "the ack",
      async () => await subscription.acked(matched) === last || undefined,
    );
    assert.equal(receiver.deliveries.length, 2);
  });
});

Deno.test("an explicit path wakes from the start of the stream that comes to be there", async () => {
  await withReceiver([done], async (receiver) => {
    const path = unique("manual");
    const subscription = new Subscription(node.url);
    await subscription.create({ type: "webhook", streams: [path], webhook: { url: receiver.url } });
    await stream(node.url, path, 1);
    const { wake } = await receiver.next();
    assert.deepEqual([wake.streams[0]?.path, wake.streams[0]?.acked_offset], [path, START]);
  });
});

Deno.test("a subscription made while streams come to be misses none of them", async () => {
  await withReceiver([done], async (receiver) => {
    const folder = unique("events");
    const paths = Array.from({ length: 60 }, (_, at) => `${folder}/${at}`);
    const subscription = new Subscription(node.url);
    const creating = paths.map(async (path, at) => {
      if (at === 30) {
        await subscription.create({
          type: "webhook",
          pattern: `${folder}/*`,
          webhook: { url: receiver.url },
        });
      }
      await stream(node.url, path, at);
    });
    await Promise.all(creating);
    const tails = new Map<string, string>();
    for (const path of paths) tails.set(path, await appendTo(node.url, path, "more"));
    await eventually(10_000, "the acks", async () => {
      const { streams } = await subscription.read();
      const acked = streams.filter((link: { path: string; acked_offset: string }) =>
        tails.get(link.path) === link.acked_offset
      );
      return acked.length === paths.length || undefined;
    });
  });
});

Deno.test("2,500 pending streams come in wakes of at most 1,000, until all are acked", async () => {
  await withReceiver([done], async (receiver) => {
    const folder = unique("many");
    const subscription = new Subscription(node.url);
    const paths = Array.from({ length: 2500 }, (_, at) => `${folder}/${at}`);
    for (let at = 0; at < paths.length; at += 250) {
      await Promise.all(paths.slice(at, at + 250).map((path) => stream(node.url, path)));
    }
    const { streams } = await subscription.create({
      type: "webhook",
      pattern: `${folder}/*`,
      webhook: { url: receiver.url },
      lease_ttl_ms: 20_000,
    });
    assert.equal(streams.length, paths.length);
    for (let at = 0; at < paths.length; at += 250) {
      await Promise.all(paths.slice(at, at + 250).map((path) => appendTo(node.url, path, 1)));
    }
    await eventually(15_000, "the acks", async () => {
      const { streams } = await subscription.read();
      return streams.every((link: { acked_offset: string }) => link.acked_offset > START) ||
        undefined;
    });
    const largest = Math.max(...receiver.deliveries.map(({ wake }) => wake.streams.length));
    assert.ok(largest <= 1100, `${largest}`);
  });
});

for (const kind of KINDS) {
  Deno.test(`subscriptions, cursors and keys outlive their node: ${kind}`, async () => {
    await withReceiver([done], async (receiver) => {
      await withStorage(kind, async (database) => {
        const jwks = (url: string) => send("GET", `${url}/v1/stream/__ds/jwks.json`);
        const before = await withServer(
          { database, args: ["--webhook-allow", "localhost"] },
          async (first) => {
            const subscription = new Subscription(first.url, "durable");
            await subscription.create({
              type: "webhook",
              pattern: "events/*",
              webhook: { url: receiver.url },
            });
            await stream(first.url, "events/a", 1);
            await receiver.next();
            await eventually(
              5000,
              "the ack",
              async () => await subscription.acked("events/a") !== START || undefined,
            );
            const read = await subscription.read();
            return { keys: (await jwks(first.url)).body, created: read.created_at };
          },
        );
        await withServer({ database, args: ["--webhook-allow", "localhost"] }, async (second) => {
          const subscription = new Subscription(second.url, "durable");
          assert.deepEqual((await jwks(second.url)).body, before.keys);
          assert.equal((await subscription.read()).created_at, before.created);
          const offset = await appendTo(second.url, "events/a", 2);
          const { wake } = await receiver.next();
          assert.equal(wake.generation, 2);
          await eventually(
            5000,
            "the ack",
            async () => await subscription.acked("events/a") === offset || undefined,
          );
        });
      });
    });
  });
}
