/** Several nodes on one database: races, deaths in mid-delivery, restarts, and the database's clock. */
import { decodeOffset } from "../../src/protocol/offset.ts";
import assert from "node:assert/strict";
import postgres from "postgres";
import { freshDatabase, type TestDatabase } from "../support/postgres.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { elapse, eventually, within } from "../system/support.ts";
import {
  accept,
  appendTo,
  assertRefused,
  done,
  hang,
  stream,
  Subscription,
  unique,
  WakeReader,
  withReceiver,
} from "./support.ts";

const START = "0000000000000000_0000000000000000";

/** A database and as many nodes on it, all gone in the end. */
async function withNodes(
  count: number,
  use: (nodes: RunningServer[], database: TestDatabase) => Promise<void>,
): Promise<void> {
  const database = await freshDatabase();
  const nodes: RunningServer[] = [];
  try {
    for (let at = 0; at < count; at++) {
      nodes.push(await startServer({ database, args: ["--webhook-allow", "localhost"] }));
    }
    await use(nodes, database);
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
    await database.drop();
  }
}

function webhook(url: string, folder: string, leaseTtlMs: number) {
  return {
    type: "webhook",
    pattern: `${folder}/*`,
    webhook: { url },
    lease_ttl_ms: leaseTtlMs,
  };
}

Deno.test("a node killed between wake and answer: another delivers when the lease ends", async () => {
  await withReceiver([hang, done], async (receiver) => {
    await withNodes(2, async ([a, b]) => {
      const subscription = new Subscription(a!.url);
      await subscription.create(webhook(receiver.url, "events", 2000));
      const path = await stream(a!.url, "events/a");
      const offset = await appendTo(a!.url, path, 1);
      const first = await receiver.next();
      await a!.kill();
      const second = await receiver.next();
      assert.ok(second.at - first.at > 1500, `after ${second.at - first.at} ms`);
      assert.equal(second.wake.generation, first.wake.generation + 1);
      assertRefused(await subscription.at(b!.url).callback(first.wake), 409, "FENCED");
      await eventually(
        5000,
        "the ack",
        async () => await subscription.at(b!.url).acked(path) === offset || undefined,
      );
    });
  });
});

Deno.test("a node killed right after an append's answer: the append is not forgotten", async () => {
  await withReceiver([done], async (receiver) => {
    await withNodes(3, async (nodes) => {
      const last = nodes[2]!;
      const subscription = new Subscription(last.url);
      await subscription.create(webhook(receiver.url, "events", 1000));
      for (const node of nodes.slice(0, 2)) {
        const path = await stream(node.url, `events/${unique("a")}`);
        const offset = await appendTo(node.url, path, 1);
        await node.kill();
        await eventually(
          10_000,
          "the ack",
          async () => await subscription.acked(path) === offset || undefined,
        );
      }
    });
  });
});

Deno.test("a commit that no node looked at is found by the audit, a new stream's too", async () => {
  await withReceiver([done], async (receiver) => {
    await withNodes(1, async ([a], database) => {
      const subscription = new Subscription(a!.url);
      await stream(a!.url, "events/old");
      await subscription.create(webhook(receiver.url, "events", 1000));
      const sql = postgres(database.url, { max: 1 });
      // As if by a node that died at once: nothing but the rows.
      await sql`insert into penstock.streams (path, content_type) values ('events/new', 'text/plain')`;
      await sql`insert into penstock.segments (stream_id, position, data)
        select id, 0, case path when 'events/old' then '1234567' else '12345' end::bytea
        from penstock.streams where path like 'events/%'`;
      await sql.end();
      await eventually(10_000, "the acks", async () => {
        const acked = [
          await subscription.acked("events/old"),
          await subscription.acked("events/new"),
        ];
        const positions = acked.map((offset) => decodeOffset(offset ?? "")?.position);
        return positions.join() === "7,5" || undefined;
      });
    });
  });
});

Deno.test("nodes race to deliver: each wake goes out once, and every append is acked", async () => {
  await withReceiver([done], async (receiver) => {
    await withNodes(2, async (nodes) => {
      const [a, b] = nodes as [RunningServer, RunningServer];
      const subscriptions = Array.from({ length: 5 }, () => new Subscription(a.url));
      for (const subscription of subscriptions) {
        await subscription.create(webhook(receiver.url, "events", 20_000));
      }
      const paths = [await stream(a.url, "events/a"), await stream(b.url, "events/b")];
      const tails = new Map<string, string>();
      for (let round = 0; round < 25; round++) {
        await Promise.all(
          paths.map(async (path, at) =>
            tails.set(path, await appendTo([a, b][(at + round) % 2]!.url, path, round))
          ),
        );
      }
      for (const subscription of subscriptions) {
        for (const path of paths) {
          await eventually(
            10_000,
            "the ack",
            async () => await subscription.acked(path) === tails.get(path) || undefined,
          );
        }
      }
      const wakes = receiver.deliveries.map(({ wake }) =>
        `${wake.subscription_id} ${wake.generation}`
      );
      assert.equal(new Set(wakes).size, wakes.length, "a wake was delivered twice");
      for (const { id } of subscriptions) {
        const own = receiver.deliveries.filter(({ wake }) => wake.subscription_id === id);
        own.forEach(({ wake }, at) => assert.equal(wake.generation, at + 1));
      }
    });
  });
});

Deno.test("nodes race to claim and to write: one lease, and one wake event a generation", async () => {
  await withNodes(2, async (nodes) => {
    const [a, b] = nodes as [RunningServer, RunningServer];
    const wake = await stream(a.url, "wake");
    const path = await stream(a.url, "events/a");
    const subscription = new Subscription(a.url);
    await subscription.create({ type: "pull-wake", streams: [path], wake_stream: wake });
    const events = new WakeReader(`${b.url}/v1/stream/${wake}`);
    for (let round = 0; round < 10; round++) {
      await Promise.all([appendTo(a.url, path, 1), appendTo(b.url, path, 2)]);
      const claims = await Promise.all(
        Array.from(
          { length: 10 },
          (_, at) => subscription.at(at % 2 ? a.url : b.url).claim(`${at}`),
        ),
      );
      const won = claims.filter(({ status }) => status === 200);
      assert.equal(won.length, 1, JSON.stringify(claims.map(({ body }) => body)));
      assert.ok(
        claims.every(({ status, body }) => status === 200 || body.error.code === "ALREADY_CLAIMED"),
      );
      const acked = await subscription.at(b.url).ack(won[0]!.body);
      assert.equal(acked.body.ok, true);
    }
    // What a claim found for itself has no event; nothing has two, and they are in order.
    const generations = (await events.all()).map(({ generation }) => generation);
    assert.deepEqual(generations, [...new Set(generations)].sort((x, y) => x - y));
  });
});

Deno.test("an ack at one node says next_wake for what was just appended at another", async () => {
  await withNodes(2, async (nodes) => {
    const [a, b] = nodes as [RunningServer, RunningServer];
    const wake = await stream(a.url, "wake");
    await stream(a.url, "events/a");
    await stream(a.url, "events/b");
    const subscription = new Subscription(a.url);
    await subscription.create({ type: "pull-wake", pattern: "events/*", wake_stream: wake });
    const events = new WakeReader(`${a.url}/v1/stream/${wake}`);
    await appendTo(a.url, "events/a", 0);
    for (let round = 0; round < 20; round++) {
      await events.next();
      const claim = await subscription.claimed();
      await appendTo(b.url, round % 2 === 0 ? "events/b" : "events/a", round);
      const acked = await subscription.ack(claim);
      assert.deepEqual(acked.body, { ok: true, next_wake: true }, `round ${round}`);
    }
  });
});

Deno.test("a retry keeps its schedule across a restart", async () => {
  await withReceiver([({ response }) => void response.writeHead(500).end()], async (receiver) => {
    await withNodes(1, async ([a], database) => {
      const subscription = new Subscription(a!.url);
      await subscription.create(webhook(receiver.url, "events", 1000));
      const failures = (count: number) =>
        a!.logged((line) => line.event === "delivery_failed" && line.failures === count);
      await stream(a!.url, "events/a", 1);
      const third = await within(10_000, "three failures", failures(3));
      const failed = performance.now();
      const retryMs = Number(third.retryMs);
      assert.ok(retryMs > 3000 && retryMs < 5000, `${retryMs}`);
      const count = receiver.deliveries.length;
      assert.equal(await a!.stop(), 0);
      const b = await startServer({ database, args: ["--webhook-allow", "localhost"] });
      try {
        assert.equal((await subscription.at(b.url).read()).status, "failed");
        const fourth = await b.logged((line) => line.event === "delivery_failed");
        assert.equal(fourth.failures, 4);
        assert.equal(receiver.deliveries.length, count + 1);
        const waited = receiver.deliveries[count]!.at - failed;
        assert.ok(waited > retryMs - 250 && waited < retryMs + 1500, `${waited} of ${retryMs}`);
      } finally {
        await b.kill();
      }
    });
  });
});

Deno.test("a node that goes away in mid-delivery gives the wake to another within seconds", async () => {
  await withReceiver([hang, done], async (receiver) => {
    await withNodes(2, async ([a, b]) => {
      const subscription = new Subscription(b!.url);
      await subscription.create(webhook(receiver.url, "events", 60_000));
      const path = await stream(a!.url, "events/a", 1);
      const first = await receiver.next();
      const stopped = a!.stop();
      const second = await receiver.next();
      assert.ok(second.wake.generation > first.wake.generation);
      assert.equal(await stopped, 0);
      await eventually(5000, "the ack", async () => {
        const acked = await subscription.acked(path);
        return (acked !== undefined && acked > START) || undefined;
      });
    });
  });
});

Deno.test("a lease that expires while its callback waits in the database: fenced, and woken", async () => {
  await withReceiver([accept], async (receiver) => {
    await withNodes(1, async ([a], database) => {
      const subscription = new Subscription(a!.url);
      await subscription.create(webhook(receiver.url, "events", 1000));
      const path = await stream(a!.url, "events/a", 1);
      const { wake } = await receiver.next();
      await a!.logged((line) => line.event === "subscription_created");
      const sql = postgres(database.url, { max: 1 });
      const callback = await sql.begin(async (transaction) => {
        await transaction`select from penstock.subscriptions for update`;
        const sent = subscription.callback(wake);
        await elapse(1200, "until the lease is over");
        return { sent };
      });
      assertRefused(await callback.sent, 409, "FENCED");
      await sql.end();
      assert.equal(await subscription.acked(path), START);
      const next = await receiver.next();
      assert.equal(next.wake.generation, wake.generation + 1);
    });
  });
});
