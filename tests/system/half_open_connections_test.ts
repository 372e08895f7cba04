/**
 * Half-open connections to the database, as after a firewall has dropped their state: a follower
 * waits no longer for its data than when a NOTIFY is lost.
 */
// Runs quietly: it measures how late a follower gets its data.
import assert from "node:assert/strict";
import postgres from "postgres";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { append, createStream } from "../support/http.ts";
import type { RunningServer } from "../support/server.ts";
import { promptly } from "./promptness.ts";
import { Proxy } from "./proxy.ts";
import {
  elapse,
  Events,
  eventually,
  expectStatus,
  serverForThisFile,
  withServer,
} from "./support.ts";

/** How long a follower waits at most, as the README says. Milliseconds. */
const LATEST_MS = 1000;
/** How many connections a node has, including the one for LISTEN. */
const ALL = 9;

/** Reaches the database directly. */
const a = serverForThisFile("postgres");

/** A node that reaches the database through a proxy, with the time limits that it has by default. */
interface Behind {
  readonly node: RunningServer;
  readonly proxy: Proxy;
  /** The URL of a stream at A. */
  readonly url: string;
  /** A follower of it at the node. */
  readonly events: Events;
}

/** Starts such a node, and opens all its connections. */
async function withNode<T>(use: (behind: Behind) => Promise<T>): Promise<T> {
  const proxy = await Proxy.start(a.databaseUrl);
  try {
    return await withServer({ database: { url: proxy.url } }, async (node) => {
      await eventually(15_000, "a full pool", async () => {
        // Each DELETE runs a statement of its own, so many at once open all connections.
        const urls = await Promise.all(Array.from({ length: 40 }, () => createStream(node.url)));
        const gone = urls.map((url) => fetch(url, { method: "DELETE" }));
        for (const response of await Promise.all(gone)) await expectStatus(response, 204);
        return proxy.connections >= ALL || undefined;
      });
      const url = await createStream(a.url);
      const events = await Events.open(at(node, url), "-1");
      await events.control();
      const result = await use({ node, proxy, url, events });
      await events.close();
      return result;
    });
  } finally {
    proxy.stop();
  }
}

const at = (node: RunningServer, url: string) => node.url + new URL(url).pathname;

/** Milliseconds from the ack of an append at A to its event at the node. */
async function delay({ url, events }: Behind, body: string, expected = body): Promise<number> {
  const end = await append(url, body);
  const acked = performance.now();
  assert.equal(await events.textUntil(end, 15_000), expected);
  return performance.now() - acked;
}

Deno.test("all connections are half-open, LISTEN too: a follower waits a second at most", async () => {
  const took = await promptly(a.server, 5, (round) =>
    withNode(async (behind) => {
      await elapse((round * 170) % 500, "out of step with the polls");
      behind.proxy.stall();
      return await delay(behind, "x");
    }));
  assert.ok(took.at(-1)! < LATEST_MS, `${took} ms`);
});

Deno.test("one connection of several is half-open: a follower waits a second at most", async () => {
  await withNode(async (behind) => {
    // The listening connection works: the notification arrives, and the stream is loaded on others.
    behind.proxy.stall(1);
    const took = await promptly(behind.node, 20, (round) => delay(behind, `${round};`));
    assert.ok(took.at(-1)! < LATEST_MS, `${took} ms`);
  });
});

Deno.test("reads on half-open connections are answered, and not with 503", async () => {
  await withNode(async ({ node, proxy, url }) => {
    proxy.stall();
    const began = performance.now();
    await Promise.all(Array.from({ length: 20 }, async (_, turn) => {
      const method = turn % 2 === 0 ? "GET" : "HEAD";
      await expectStatus(await fetch(at(node, url), { method }), 200);
    }));
    const took = performance.now() - began;
    assert.ok(took < 3000, `${took} ms`);
  });
});

Deno.test("a statement that may not run twice is not repeated: its request is answered 503", async () => {
  await withNode(async (behind) => {
    const { node, proxy, url } = behind;
    await append(at(node, url), "0"); // the node has the stream's state now
    proxy.stall();
    const post = fetch(at(node, url), {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: "lost?",
    });
    await delay(behind, "x", "0x"); // by now there are other connections
    assert.equal(
      node.logs.filter((line) => line.includes("database_connections_replaced")).length,
      1,
    );
    const response = await post;
    await response.body?.cancel();
    assert.equal(response.status, 503);
    await append(at(node, url), "y");
    assert.equal(await expectStatus(await fetch(url), 200), "0xy");
  });
});

Deno.test("a statement that times out does not fail the others", async () => {
  const proxy = await Proxy.start(a.databaseUrl);
  const database = await openPostgres({ url: proxy.url, connections: 2, timeoutMs: 2000 });
  try {
    await Promise.all([database.query("select pg_sleep(0.3)"), database.query("select 1")]);
    proxy.stall(1);
    // Each statement has one of the two connections.
    const both = [database.query("select 2"), database.query("select 3")]
      .map((query) => query.then(() => "answered", (error: Error) => error.name));
    assert.equal(await Promise.any(both), "answered");
    await elapse(1300, "more than half of the time limit of the one that waits");
    // It is in flight when the other statement times out.
    const slow = database.query<{ slept: string }>("select 'yes' as slept from pg_sleep(1.7)");
    assert.deepEqual((await Promise.all(both)).sort(), ["StatementTimeout", "answered"]);
    assert.equal((await slow)[0]?.slept, "yes");
    await database.query("select 4");
  } finally {
    await database.close();
    proxy.stop();
  }
});

Deno.test("connections to a slow database are not taken for half-open", async () => {
  await withNode(async (behind) => {
    const { proxy, node } = behind;
    const opened = proxy.opened;
    const sql = postgres(a.databaseUrl, { max: 1 });
    await sql.begin(async (transaction) => {
      await transaction`lock table penstock.streams in access exclusive mode`;
      await elapse(2500, "longer than a node waits before it hedges a statement");
    });
    await sql.end();
    await delay(behind, "x");
    assert.deepEqual(
      node.logs.filter((line) => line.includes("database_connections_replaced")),
      [],
    );
    // One connection finds the primary, and one is for the hedged statement.
    const more = proxy.opened - opened;
    assert.ok(more > 0 && more <= 3, `${more} connections were opened`);
  });
});

Deno.test("a database that does not answer is not flooded with connections", async () => {
  await withNode(async (behind) => {
    const { proxy } = behind;
    const opened = proxy.opened;
    proxy.set("silent");
    await elapse(11_500, "twice the time limit");
    const more = proxy.opened - opened;
    assert.ok(more > 0 && more < 12, `${more} connections were opened`);
    proxy.set("open");
    await delay(behind, "x");
  });
});
