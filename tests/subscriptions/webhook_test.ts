/** Webhooks: delivery, callbacks, leases and retries (sections 6.2, 6.3, 7.1 and 7.3). */
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { elapse, eventually, serverForThisFile, withServer } from "../system/support.ts";
import {
  accept,
  acksOf,
  answer,
  appendTo,
  assertRefused,
  done,
  hang,
  type Reaction,
  Receiver,
  send,
  stream,
  Subscription,
  unique,
  withReceiver,
} from "./support.ts";

const node = serverForThisFile("postgres", { args: ["--webhook-allow", "localhost"] });

/** A subscription to `<folder>/*` and one stream in it. */
async function setUp(receiver: Receiver, more: Record<string, unknown> = {}) {
  const folder = unique("events");
  const subscription = new Subscription(node.url);
  const path = await stream(node.url, `${folder}/a`);
  await subscription.create({
    type: "webhook",
    pattern: `${folder}/*`,
    webhook: { url: receiver.url },
    lease_ttl_ms: 1000,
    ...more,
  });
  return { subscription, folder, path };
}

function fails(reason: string | RegExp, subscription: Subscription) {
  return node.server.logged((line) =>
    line.event === "delivery_failed" && line.subscription === subscription.id &&
    (typeof reason === "string" ? line.reason === reason : reason.test(String(line.reason)))
  );
}

Deno.test("an append wakes the webhook once, signed, with the cursors as they are", async () => {
  await withReceiver([done], async (receiver) => {
    const { subscription, path } = await setUp(receiver);
    const offset = await appendTo(node.url, path, 1);
    const { wake, rawBody, signature, request } = await receiver.next();
    assert.equal(wake.subscription_id, subscription.id);
    assert.equal(wake.generation, 1);
    assert.match(wake.wake_id, /^w_[0-9a-f]{32}$/);
    assert.equal(wake.callback_url, `${subscription.url}/callback`);
    assert.deepEqual(wake.streams, [{
      path,
      link_type: "glob",
      acked_offset: "0000000000000000_0000000000000000",
      tail_offset: offset,
      has_pending: true,
    }]);
    assert.equal(request.headers["content-type"], "application/json");
    const parts = /^t=(\d+),kid=(ds_[\w-]{43}),ed25519=([\w-]{86})$/.exec(signature);
    assert.ok(parts, signature);
    assert.ok(Math.abs(Number(parts[1]) - Date.now() / 1000) < 60);
    const jwks = await send("GET", `${node.url}/v1/stream/__ds/jwks.json`);
    const key = jwks.body.keys.find((key: { kid: string }) => key.kid === parts[2]);
    const signed = new TextEncoder().encode(`${parts[1]}.${rawBody}`);
    const publicKey = createPublicKey({ key, format: "jwk" });
    assert.ok(verify(null, signed, publicKey, Buffer.from(parts[3]!, "base64url")));
    await eventually(
      5000,
      "the ack",
      async () => await subscription.acked(path) === offset || undefined,
    );
    await elapse(700, "longer than a poll, and nothing else may come");
    assert.equal(receiver.deliveries.length, 1);
  });
});

Deno.test("what is appended while a wake is answered with done wakes again, generation up", async () => {
  let finish: () => void = () => {};
  const late: Reaction = (delivery) => finish = () => done(delivery);
  await withReceiver([late, done], async (receiver) => {
    const { subscription, path } = await setUp(receiver, { lease_ttl_ms: 20_000 });
    const first = await appendTo(node.url, path, 1);
    const one = await receiver.next();
    const second = await appendTo(node.url, path, 2);
    finish();
    const two = await receiver.next();
    assert.equal(two.wake.generation, one.wake.generation + 1);
    assert.notEqual(two.wake.wake_id, one.wake.wake_id);
    assert.equal(two.wake.streams[0]?.acked_offset, first);
    assert.equal(two.wake.streams[0]?.tail_offset, second);
    await eventually(
      5000,
      "the ack",
      async () => await subscription.acked(path) === second || undefined,
    );
  });
});

Deno.test("a callback acks in part, extends the lease, ends the wake, and is fenced after", async () => {
  await withReceiver([accept], async (receiver) => {
    const { subscription, path } = await setUp(receiver);
    const first = await appendTo(node.url, path, 1);
    const { wake } = await receiver.next();
    const second = await appendTo(node.url, path, 2);
    const began = performance.now();
    // Beyond its lease of one second, by heartbeats.
    while (performance.now() - began < 1600) {
      const beat = await subscription.callback(wake, { acks: [], done: false });
      assert.deepEqual([beat.status, beat.body], [200, { ok: true, next_wake: false }]);
      await elapse(250, "between two heartbeats");
    }
    const part = await subscription.callback(wake, {
      acks: [{ stream: path, offset: first }],
      done: false,
    });
    assert.deepEqual(part.body, { ok: true, next_wake: false });
    assert.equal(await subscription.acked(path), first);
    assert.equal(receiver.deliveries.length, 1);
    const ended = await subscription.callback(wake, { acks: [], done: true });
    assert.deepEqual(ended.body, { ok: true, next_wake: true });
    const again = await receiver.next();
    assert.equal(again.wake.generation, wake.generation + 1);
    assertRefused(await subscription.callback(wake), 409, "FENCED");
    const last = await subscription.callback(again.wake);
    assert.deepEqual(last.body, { ok: true, next_wake: false });
    assert.equal(await subscription.acked(path), second);
  });
});

Deno.test("a lease that expires wakes anew, and fences the callback that comes too late", async () => {
  await withReceiver([accept], async (receiver) => {
    const { subscription, path } = await setUp(receiver);
    await appendTo(node.url, path, 1);
    const { wake, at } = await receiver.next();
    const second = await receiver.next();
    assert.ok(second.at - at > 900, `${second.at - at}`);
    assert.equal(second.wake.generation, wake.generation + 1);
    assertRefused(await subscription.callback(wake), 409, "FENCED");
    assert.equal(await subscription.acked(path), "0000000000000000_0000000000000000");
    // A mix of the old wake's token and the new wake's name is fenced too, and the reverse.
    for (
      const mixed of [{ ...second.wake, callback_token: wake.callback_token }, {
        ...second.wake,
        wake_id: wake.wake_id,
      }, { ...second.wake, generation: wake.generation }]
    ) assertRefused(await subscription.callback(mixed), 409, "FENCED");
    assert.equal((await subscription.callback(second.wake)).status, 200);
  });
});

Deno.test("failures back off from one second, show as failed, and end with a success", async () => {
  await withReceiver([answer(500), answer(503), done], async (receiver) => {
    const { subscription, path } = await setUp(receiver);
    assert.equal((await subscription.read()).status, "active");
    const offset = await appendTo(node.url, path, 1);
    const first = await receiver.next();
    await fails("answered 500", subscription);
    assert.equal((await subscription.read()).status, "failed");
    const second = await receiver.next();
    const third = await receiver.next();
    const [one, two] = [second.at - first.at, third.at - second.at];
    assert.ok(one > 750 && one < 2200, `the first retry after ${one} ms`);
    assert.ok(two > 1550 && two < 3400, `the second retry after ${two} ms`);
    await eventually(
      5000,
      "the ack",
      async () => await subscription.acked(path) === offset || undefined,
    );
    assert.equal((await subscription.read()).status, "active");
  });
});

Deno.test("a receiver that failed only in its answer may still call back before the retry", async () => {
  await withReceiver([answer(500), accept], async (receiver) => {
    const { subscription, path } = await setUp(receiver);
    const offset = await appendTo(node.url, path, 1);
    const { wake } = await receiver.next();
    await fails("answered 500", subscription);
    const called = await subscription.callback(wake);
    assert.deepEqual(called.body, { ok: true, next_wake: false });
    assert.equal(await subscription.acked(path), offset);
    assert.equal((await subscription.read()).status, "active");
    await elapse(1500, "longer than until the retry, which may not come");
    assert.equal(receiver.deliveries.length, 1);
  });
});

const endless: Reaction = ({ response }) => {
  const write = () => {
    while (!response.destroyed && response.write("x".repeat(1 << 16)));
    response.once("drain", write);
  };
  write();
};
const drip: Reaction = ({ response, request }) => {
  const timer = setInterval(() => response.write(" "), 100);
  request.socket.once("close", () => clearInterval(timer));
};
const broken: Reaction = ({ response, request }) => {
  response.writeHead(200, { "content-length": "100" });
  response.write('{"done":true}', () => request.socket.destroy());
};
const garbage: Reaction = ({ request }) => void request.socket.end("garbage\r\n\r\n");

for (
  const [what, reaction, reason] of [
    ["hangs", hang, "no whole answer within 900 ms"],
    ["drips without end", drip, "no whole answer within 900 ms"],
    ["answers without end", endless, "answered more than 65536 bytes"],
    ["redirects", answer(307, { location: "/elsewhere" }), "307: redirects are not followed"],
    ["breaks off", broken, /./],
    ["speaks no HTTP", garbage, /./],
    ["says 404", answer(404), "answered 404"],
  ] as [string, Reaction, string | RegExp][]
) {
  Deno.test(`a receiver that ${what} moves no cursor and is tried again`, async () => {
    await withReceiver([reaction, done], async (receiver) => {
      const { subscription, path } = await setUp(receiver);
      const offset = await appendTo(node.url, path, 1);
      const first = await receiver.next();
      const line = await fails(reason, subscription);
      assert.equal(line.failures, 1);
      assert.equal(await subscription.acked(path), "0000000000000000_0000000000000000");
      const second = await receiver.next();
      assert.ok(second.wake.generation > first.wake.generation);
      await eventually(
        5000,
        "the ack",
        async () => await subscription.acked(path) === offset || undefined,
      );
    });
  });
}

Deno.test("a 2xx that says anything but done:true is no ack", async () => {
  const lies: Reaction[] = ['{"done":"true"}', '{"done":1}', "[true]", "null", "done", ""].map((
    text,
  ) =>
  ({ response }) => void response.end(text));
  await withReceiver(lies, async (receiver) => {
    const { subscription, path } = await setUp(receiver);
    await appendTo(node.url, path, 1);
    for (let at = 0; at < lies.length; at++) await receiver.next();
    assert.equal(await subscription.acked(path), "0000000000000000_0000000000000000");
  });
});

Deno.test("deletion in mid-flight: done and callbacks fail, and the id begins anew", async () => {
  let finish: () => void = () => {};
  await withReceiver([(delivery) => finish = () => done(delivery), accept], async (receiver) => {
    const { subscription, folder, path } = await setUp(receiver, { lease_ttl_ms: 10_000 });
    await appendTo(node.url, path, 1);
    const { wake } = await receiver.next();
    assert.equal((await subscription.remove()).status, 204);
    assertRefused(await subscription.callback(wake), 404, "SUBSCRIPTION_NOT_FOUND");
    assertRefused(await send("GET", subscription.url), 404, "SUBSCRIPTION_NOT_FOUND");
    assert.equal((await subscription.remove()).status, 204);
    finish();
    // The same id: another subscription, whose generations go on, and whom old tokens cannot move.
    await subscription.create({
      type: "webhook",
      pattern: `${folder}/*`,
      webhook: { url: receiver.url },
    });
    await appendTo(node.url, path, 2);
    const again = await receiver.next();
    assert.ok(again.wake.generation > wake.generation);
    assertRefused(await subscription.callback(wake), 409, "FENCED");
    assert.deepEqual((await subscription.callback(again.wake)).body, {
      ok: true,
      next_wake: false,
    });
  });
});

Deno.test("a stream deleted in mid-flight leaves the wake's other acks alone", async () => {
  await withReceiver([accept], async (receiver) => {
    const { subscription, folder, path } = await setUp(receiver, { lease_ttl_ms: 10_000 });
    const other = await stream(node.url, `${folder}/b`);
    await appendTo(node.url, path, 1);
    const first = await receiver.next();
    const offset = await appendTo(node.url, other, 1);
    assert.equal((await subscription.callback(first.wake)).status, 200);
    const { wake } = await receiver.next();
    await appendTo(node.url, path, 2);
    await fetch(`${node.url}/v1/stream/${path}`, { method: "DELETE" });
    const acks = [...acksOf(wake), { stream: path, offset: acksOf(first.wake)[0]!.offset }];
    const ended = await subscription.callback(wake, { acks });
    assert.deepEqual(ended.body, { ok: true, next_wake: false });
    assert.equal(await subscription.acked(other), offset);
    assert.equal(await subscription.acked(path), undefined);
    // Born again at the same path, it is a stream that came later: from its start.
    await stream(node.url, path, "new");
    const reborn = await receiver.next();
    const link = reborn.wake.streams.find((item) => item.path === path);
    assert.equal(link?.acked_offset, "0000000000000000_0000000000000000");
    assert.equal(link?.has_pending, true);
  });
});

Deno.test("an ack that means a stream's former life does not move its new one", async () => {
  await withReceiver([accept], async (receiver) => {
    const { subscription, path } = await setUp(receiver, { lease_ttl_ms: 10_000 });
    await appendTo(node.url, path, 1);
    const { wake } = await receiver.next();
    await fetch(`${node.url}/v1/stream/${path}`, { method: "DELETE" });
    await stream(node.url, path, 1, 2, 3, 4);
    // The look that links it again is done once a stream created after it has been linked.
    const marker = await stream(node.url, `${path.split("/")[0]}/marker`, 1);
    await eventually(
      5000,
      "the link",
      async () => await subscription.acked(marker) === undefined ? undefined : true,
    );
    const ended = await subscription.callback(wake);
    assert.deepEqual(ended.body, { ok: true, next_wake: true });
    const again = await receiver.next();
    const link = again.wake.streams.find((item) => item.path === path);
    assert.equal(link?.acked_offset, "0000000000000000_0000000000000000");
  });
});

for (const runtime of ["deno", "bun"] as const) {
  Deno.test(`without leave of the operator nothing inside is delivered to, on ${runtime}`, async () => {
    await withReceiver([done], async (receiver) => {
      // A node behind a proxy of its machine listens on loopback, too.
      const database = { url: node.databaseUrl };
      await withServer({ database, runtime }, async (strict) => {
        const subscription = new Subscription(strict.url);
        const configuration = { type: "webhook", pattern: "*", webhook: { url: receiver.url } };
        assertRefused(await subscription.put(configuration), 400, "WEBHOOK_URL_REJECTED");
        const logged = await strict.logged((line) => line.event === "webhook_refused");
        assert.equal(logged.level, "warning");
        assert.match(String(logged.reason), /127\.0\.0\.1.*--webhook-allow/);
        assert.doesNotMatch(String(logged.reason), /\/hook/);
      });
    });
  });

  Deno.test(`targets are judged by address and port at each delivery, on ${runtime}`, async () => {
    await withReceiver([done], async (receiver) => {
      const { port } = new URL(receiver.url);
      const database = { url: node.databaseUrl };
      const folder = unique("judged");
      // A name is not resolved before it is delivered to: this one leads to this machine.
      const byName = { type: "webhook", streams: [`${folder}/a`], lease_ttl_ms: 60_000 };
      const url = `http://localhost:${port}/hook`;
      const id = unique("judged");
      await withServer(
        { database, runtime, args: ["--webhook-allow", "10.0.0.0/8"] },
        async (strict) => {
          const subscription = new Subscription(strict.url, id);
          await subscription.create({ ...byName, webhook: { url } });
          await stream(strict.url, `${folder}/a`, 1);
          const failed = await strict.logged((line) =>
            line.event === "delivery_failed" && line.subscription === id
          );
          assert.match(String(failed.reason), /is not an address of the internet.*--webhook-allow/);
          assert.equal(receiver.deliveries.length, 0);
        },
      );
      const args = ["--webhook-allow", `127.0.0.0/8:${port},[::1]:${port}`];
      await withServer({ database, runtime, args }, async () => {
        const { wake } = await receiver.next(15_000);
        assert.equal(wake.subscription_id, id);
      });
    });
  });
}

Deno.test("the addresses of callbacks and keys begin with the public URL", async () => {
  const options = {
    database: { url: node.databaseUrl },
    args: ["--public-url", "https://streams.example"],
  };
  await withServer(options, async (behindProxy) => {
    const created = await new Subscription(behindProxy.url).create({
      type: "webhook",
      pattern: "*",
      webhook: { url: "https://hook.invalid/" },
    });
    assert.equal(
      created.webhook.signing.jwks_url,
      "https://streams.example/v1/stream/__ds/jwks.json",
    );
  });
});
