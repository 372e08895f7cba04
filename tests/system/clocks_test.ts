/** Nodes whose clocks are days apart, or are set while they run: nothing hangs on the time of day. */
import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { append, createStream, readAll } from "../support/http.ts";
import { freshDatabase, type TestDatabase } from "../support/postgres.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { Subscription } from "../subscriptions/support.ts";
import { elapse, eventually, expectStatus, nextOffset, within } from "./support.ts";

const HOUR_MS = 3_600_000;
const preload = join(import.meta.dirname!, "wrong_clock.ts");

let database: TestDatabase;
/** Right, two days ahead, and two days behind. */
let right: RunningServer;
let ahead: RunningServer;
let behind: RunningServer;
let nodes: RunningServer[];

Deno.test.beforeAll(async () => {
  database = await freshDatabase();
  const start = (shift: number) =>
    startServer({
      database: { url: database.url },
      args: ["--long-poll-timeout", "2s"],
      preload,
      env: { CLOCK_SHIFT_MS: String(shift), CLOCK_STEP_MS: String(-HOUR_MS) },
    });
  nodes = [right, ahead, behind] = await Promise.all([
    start(0),
    start(48 * HOUR_MS),
    start(-48 * HOUR_MS),
  ]);
});
Deno.test.afterAll(async () => {
  for (const node of nodes) await node.kill();
  await database.drop();
});

const at = (node: RunningServer, url: string) => node.url + new URL(url).pathname;

Deno.test("the clocks of these nodes are wrong", () => {
  const days = nodes.map((node) => {
    const { time } = JSON.parse(node.logs.at(-1)!);
    return ((Date.parse(time) - Date.now()) / (24 * HOUR_MS)).toFixed(0).replace("-0", "0");
  });
  assert.deepEqual(days, ["0", "2", "-2"]);
});

Deno.test("what lives an hour lives on every node, also when created on a wrong one", async () => {
  const expires = new Date(Date.now() + HOUR_MS).toISOString();
  for (const node of nodes) {
    const urls = [
      await createStream(node.url, undefined, { headers: { "stream-ttl": "3600" }, body: "x" }),
      await createStream(node.url, undefined, {
        headers: { "stream-expires-at": expires },
        body: "x",
      }),
    ];
    for (const url of urls) {
      for (const reader of nodes) assert.equal((await readAll(at(reader, url))).text, "x");
      for (const writer of nodes) await append(at(writer, url), "y");
    }
    // A sweep of each node, which would take what it thought expired.
    const swept = await createStream(node.url, undefined, { headers: { "stream-ttl": "1" } });
    await eventually(15_000, "the end of what lives a second", async () => {
      const response = await fetch(swept, { method: "HEAD" });
      return response.status === 404 || undefined;
    });
    for (const url of urls) {
      for (const reader of nodes) assert.equal((await readAll(at(reader, url))).text, "xyyy");
    }
  }
  await elapse(7000, "longer than from one sweep to the next, on every node");
  const url = await createStream(ahead.url, undefined, { headers: { "stream-ttl": "3600" } });
  await expectStatus(await fetch(at(behind, url)), 200);
});

Deno.test("what expired is gone on every node, whatever their clocks say", async () => {
  for (const node of nodes) {
    const expires = new Date(Date.now() + 1500).toISOString();
    const url = await createStream(node.url, undefined, {
      headers: { "stream-expires-at": expires },
    });
    for (const reader of nodes) await expectStatus(await fetch(at(reader, url)), 200);
    for (const reader of nodes) {
      await eventually(10_000, "its end", async () => {
        const response = await fetch(at(reader, url));
        await response.body?.cancel();
        return response.status === 404 || undefined;
      });
    }
    assert.ok(Date.now() >= Date.parse(expires));
  }
});

Deno.test("appends by nodes in turn are in the order of their acks", async () => {
  const url = await createStream(right.url);
  let expected = "";
  for (let n = 0; n < 60; n++) {
    await append(at(nodes[n % 3]!, url), `${n};`);
    expected += `${n};`;
  }
  for (const node of nodes) assert.equal((await readAll(at(node, url))).text, expected);
});

Deno.test("a token of one node is good on another, and an event is dated by the database", async () => {
  for (const [claimer, acker] of [[behind, ahead], [ahead, behind], [right, ahead]] as const) {
    const wake = await createStream(claimer.url, undefined, { contentType: "application/json" });
    const url = await createStream(claimer.url, `clock-${crypto.randomUUID()}/a`);
    const subscription = new Subscription(claimer.url);
    await subscription.create({
      type: "pull-wake",
      pattern: new URL(url).pathname.replace("/v1/stream/", "").replace(/a$/, "*"),
      wake_stream: new URL(wake).pathname.replace("/v1/stream/", ""),
    });
    await append(url, "news");
    const [event] = await eventually(10_000, "a wake event", async () => {
      const events = JSON.parse((await readAll(wake)).text) as { ts: number }[];
      return events.length > 0 ? events : undefined;
    });
    assert.ok(Math.abs(event!.ts - Date.now()) < 60_000, "the event is dated by a wrong clock");
    const claim = await subscription.claimed();
    const acked = await subscription.at(acker.url).ack(claim, { done: true });
    assert.equal(acked.status, 200, JSON.stringify(acked.body));
  }
});

Deno.test("a long-poll ends in time though the clock is set back by an hour meanwhile", async () => {
  const url = await createStream(right.url);
  const offset = nextOffset(await fetch(url, { method: "HEAD" }));
  const began = performance.now();
  const polled = fetch(`${url}?offset=${offset}&live=long-poll`);
  const events = await fetch(`${url}?offset=${offset}&live=sse`);
  process.kill(right.process.pid!, "SIGWINCH");
  const response = await within(6000, "the long-poll's answer", polled);
  assert.equal(response.status, 204);
  assert.ok(performance.now() - began > 1500);
  await events.body?.cancel();
});
