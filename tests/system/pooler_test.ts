/** The database URL leads to a connection pooler in transaction mode: everything works all the same. */
// Runs quietly: it measures how late a follower gets its data.
import assert from "node:assert/strict";
import { append, createStream, readAll } from "../support/http.ts";
import { freshDatabase, startOwnPostgres, type TestDatabase } from "../support/postgres.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { HAS_PGBOUNCER, startPgBouncer } from "./pgbouncer.ts";
import { promptly } from "./promptness.ts";
import { Proxy } from "./proxy.ts";
import { penstock } from "./processes.ts";
import { elapse, Events, eventually, expectStatus, produce, within } from "./support.ts";
import { TransactionPooler } from "./transaction_pooler.ts";

/** A wake-up that came by NOTIFY is much faster, half of the time, than a look twice a second. */
const QUICK_MS = 150;
/** What a lost NOTIFY may cost: every try, unless the machine was too busy to tell by it. */
const LATEST_MS = 1000;

let database: TestDatabase;
let pooler: TransactionPooler;
Deno.test.beforeAll(async () => {
  database = await freshDatabase();
  pooler = await TransactionPooler.start(database.url);
});
Deno.test.afterAll(async () => {
  pooler.stop();
  await database.drop();
});

async function withNode(
  args: readonly string[],
  use: (node: RunningServer) => Promise<void>,
): Promise<void> {
  const node = await startServer({ database: { url: pooler.url }, args });
  try {
    await use(node);
  } finally {
    await node.kill();
  }
}

function said(node: RunningServer, event: string): Record<string, unknown> {
  const line = node.logs.find((log) => JSON.parse(log).event === event);
  assert.ok(line, `no ${event} in the log`);
  return JSON.parse(line);
}

/** Milliseconds from each ack at `from` to the event at `to`, in ascending order. */
async function delays(from: RunningServer, to: RunningServer, count: number): Promise<number[]> {
  const url = await createStream(from.url);
  const events = await Events.open(to.url + new URL(url).pathname, "-1");
  await events.control();
  const took = await promptly(to, count, async (at) => {
    await elapse((at * 83) % 310, "out of step with the polls");
    const end = await append(url, `${at};`);
    const acked = performance.now();
    await events.textUntil(end);
    return performance.now() - acked;
  });
  await events.close();
  return took;
}

/** All that a node does, over one that knows its URL only. */
async function expectAllWorks(databaseUrl: string): Promise<void> {
  const node = await startServer({ database: { url: databaseUrl } });
  try {
    assert.equal(said(node, "database_checked").pooled, true);
    assert.equal(said(node, "wakeups").mode, "poll");
    assert.match(String(said(node, "wakeups").message), /--listen-url with a direct URL/);
    const urls = await Promise.all(
      Array.from({ length: 20 }, () => createStream(node.url, undefined, { body: "begin;" })),
    );
    await Promise.all(urls.map(async (url) => {
      for (let seq = 0; seq < 10; seq++) {
        await append(url, `${seq};`);
        await expectStatus(await produce(url, { id: "p", epoch: 0, seq }, `p${seq};`), 200);
      }
    }));
    const expected = "begin;" + Array.from({ length: 10 }, (_, n) => `${n};p${n};`).join("");
    for (const url of urls) assert.equal((await readAll(url)).text, expected);
    const fork = await createStream(node.url, undefined, {
      headers: { "stream-forked-from": new URL(urls[0]!).pathname },
    });
    assert.equal((await readAll(fork)).text, expected);
    await expectStatus(await fetch(fork, { method: "DELETE" }), 204);
  } finally {
    await node.kill();
  }
}

Deno.test("everything works through the pooler, and the start says that it polls", async () => {
  await expectAllWorks(pooler.url);
  assert.deepEqual(pooler.refused, []);
  assert.ok(pooler.transactions > 100);
});

Deno.test({
  name: "everything works through a real PgBouncer in transaction mode",
  ignore: !HAS_PGBOUNCER,
  async fn() {
    const fresh = await freshDatabase();
    const bouncer = await startPgBouncer(fresh.url);
    try {
      await expectAllWorks(bouncer.url);
    } finally {
      await bouncer.stop();
      await fresh.drop();
    }
  },
});

Deno.test({
  name: "a PgBouncer whose server is replaced by a standby is not believed for longer than a look",
  ignore: !HAS_PGBOUNCER,
  async fn() {
    const own = await startOwnPostgres();
    const standbyUrl = await own.addStandby();
    const address = await Proxy.start(own.url);
    const bouncer = await startPgBouncer(address.url);
    const args = ["--database-timeout", "1s"];
    const node = await startServer({ database: { url: bouncer.url }, args });
    const status = async (url: string) => {
      const response = await fetch(url);
      await response.body?.cancel();
      return response.status;
    };
    try {
      const url = await createStream(node.url, undefined, { body: "x" });
      address.lead(standbyUrl);
      address.cut();
      await eventually(5000, "503", async () => await status(url) === 503 || undefined);
      // And stays so: every connection that is opened anew finds the standby.
      for (let n = 0; n < 20; n++) assert.equal(await status(`${url}-nowhere`), 503);
      address.lead(own.url);
      address.cut();
      await eventually(20_000, "200", async () => await status(url) === 200 || undefined);
      await append(url, "y");
      assert.equal((await readAll(url)).text, "xy");
    } finally {
      await node.kill();
      await bouncer.stop();
      address.stop();
      await own.stop();
    }
  },
});

Deno.test("two nodes that poll: a follower gets another's append within a second", async () => {
  await withNode([], (a) =>
    withNode([], async (b) => {
      const took = await delays(a, b, 15);
      assert.ok(took.at(-1)! < LATEST_MS, `the slowest took ${took.at(-1)} ms`);
    }));
});

Deno.test("--listen-url past the pooler makes wake-ups quick again", async () => {
  const args = ["--listen-url", database.url];
  await withNode(args, (a) =>
    withNode(args, async (b) => {
      assert.equal(said(b, "wakeups").mode, "listen");
      const took = await delays(a, b, 15);
      assert.ok(took[7]! < QUICK_MS, `half of them took more than ${took[7]} ms`);
    }));
});

Deno.test("a --listen-url that hears nothing is refused", async () => {
  for (
    const args of [
      ["--listen-url", pooler.url],
      // A real one, of another database.
      ["--listen-url", new URL("/postgres", database.url).href],
      ["--wakeups", "listen"],
    ]
  ) {
    const ended = await penstock(["serve", "--port=0", "--database-url", pooler.url, ...args]);
    assert.equal(ended.code, 1, ended.stdout);
    assert.match(ended.stderr, /--listen-url must lead to the same database, past any pooler/);
  }
});

for (
  const [what, lose] of [
    ["is silent, for ever", (proxy: Proxy) => {
      proxy.set("silent");
      proxy.stall();
    }],
    ["is cut, and cannot be had again", (proxy: Proxy) => proxy.set("refuse")],
  ] as const
) {
  Deno.test(`the connection that listens ${what}: nobody waits past a second, and it is replaced`, async () => {
    const proxy = await Proxy.start(database.url);
    const listen = { database: { url: database.url } };
    const a = await startServer(listen);
    const b = await startServer({ ...listen, args: ["--listen-url", proxy.url] });
    try {
      assert.ok((await delays(a, b, 11))[5]! < QUICK_MS);
      lose(proxy);
      const took = await delays(a, b, 12);
      assert.ok(took.at(-1)! < LATEST_MS, `the slowest took ${took.at(-1)} ms`);
      assert.ok(took[6]! > QUICK_MS, "NOTIFY still arrives: the connection was not lost");
      proxy.set("open");
      const quick = async () => {
        while ((await delays(a, b, 7))[3]! > QUICK_MS);
      };
      await within(15_000, "quick wake-ups", quick());
    } finally {
      await a.kill();
      await b.kill();
      proxy.stop();
    }
  });
}
