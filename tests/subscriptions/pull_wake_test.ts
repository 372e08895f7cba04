/** Pull-wake: wake events, claims, acks, releases, leases (sections 7.2 and 7.3). */
import assert from "node:assert/strict";
import { elapse, eventually, serverForThisFile } from "../system/support.ts";
import {
  appendTo,
  assertRefused,
  send,
  stream,
  Subscription,
  unique,
  WakeReader,
} from "./support.ts";

const START = "0000000000000000_0000000000000000";
const node = serverForThisFile("postgres", { args: ["--long-poll-timeout", "2s"] });

async function setUp(more: Record<string, unknown> = {}) {
  const folder = unique("events");
  const wakeStream = await stream(node.url, unique("wake"));
  const path = await stream(node.url, `${folder}/a`);
  const subscription = new Subscription(node.url);
  await subscription.create({
    type: "pull-wake",
    pattern: `${folder}/**`,
    wake_stream: wakeStream,
    lease_ttl_ms: 1000,
    ...more,
  });
  const events = new WakeReader(`${node.url}/v1/stream/${wakeStream}`);
  return { subscription, folder, path, wakeStream, events };
}

Deno.test("an append writes one wake event, and further appends none until the ack", async () => {
  const { subscription, path, events } = await setUp({ lease_ttl_ms: 5000 });
  await appendTo(node.url, path, 1);
  const event = await events.next();
  assert.ok(Math.abs(event.ts - Date.now()) < 60_000);
  assert.deepEqual({ ...event, ts: 0 }, {
    type: "wake",
    subscription_id: subscription.id,
    stream: path,
    generation: 1,
    ts: 0,
  });
  await appendTo(node.url, path, 2);
  const claim = await subscription.claimed("w1");
  assert.equal(claim.generation, 1);
  assert.equal(claim.lease_ttl_ms, 5000);
  const offset = await appendTo(node.url, path, 3);
  assertRefused(await subscription.claim("w2"), 409, "ALREADY_CLAIMED");
  const busy = await subscription.claim("w2");
  assert.equal(busy.body.error.current_holder, "w1");
  assert.equal(busy.body.error.generation, 1);
  const acked = await subscription.ack(claim);
  assert.deepEqual(acked.body, { ok: true, next_wake: true });
  const second = await events.next();
  assert.equal(second.generation, 2);
  const again = await subscription.claimed("w2");
  assert.equal(again.streams[0]?.tail_offset, offset);
  assert.deepEqual((await subscription.ack(again)).body, { ok: true, next_wake: false });
  assertRefused(await subscription.claim(), 409, "NO_PENDING_WORK");
  assert.equal((await events.all()).length, 2);
});

Deno.test("acks without done are heartbeats; without them the lease ends and another claims", async () => {
  const { subscription, path, events } = await setUp();
  const offset = await appendTo(node.url, path, 1);
  await events.next();
  const one = await subscription.claimed("one");
  const began = performance.now();
  while (performance.now() - began < 1500) {
    const beat = await subscription.ack(one, { acks: [], done: false });
    assert.deepEqual(beat.body, { ok: true, next_wake: false });
    assertRefused(await subscription.claim("two"), 409, "ALREADY_CLAIMED");
    await elapse(250, "between two heartbeats");
  }
  const event = await events.next();
  assert.equal(event.generation, one.generation + 1);
  const two = await subscription.claimed("two");
  assert.notEqual(two.wake_id, one.wake_id);
  assertRefused(await subscription.ack(one), 409, "FENCED");
  assertRefused(await subscription.release(one), 409, "FENCED");
  assert.deepEqual((await subscription.ack(two)).body, { ok: true, next_wake: false });
  assert.equal(await subscription.acked(path), offset);
});

Deno.test("a release without ack wakes again; a release of what is acked does not", async () => {
  const { subscription, path, events } = await setUp({ lease_ttl_ms: 20_000 });
  await appendTo(node.url, path, 1);
  await events.next();
  const one = await subscription.claimed();
  assert.equal((await subscription.release(one)).status, 204);
  assert.equal((await events.next()).generation, one.generation + 1);
  assertRefused(await subscription.release(one), 409, "FENCED");
  const two = await subscription.claimed();
  assert.equal((await subscription.ack(two, { done: false })).status, 200);
  assert.equal((await subscription.release(two)).status, 204);
  assertRefused(await subscription.claim(), 409, "NO_PENDING_WORK");
});

Deno.test("acks: inclusive, forward only, no further than the tail, of linked streams", async () => {
  const { subscription, path, wakeStream } = await setUp({ lease_ttl_ms: 20_000 });
  const first = await appendTo(node.url, path, 1);
  const second = await appendTo(node.url, path, 2);
  const claim = await subscription.claimed();
  const ack = (stream: string, offset: string) =>
    subscription.ack(claim, { acks: [{ stream, offset }], done: false });
  const beyond = `0000000000999999${second.slice(16)}`;
  for (
    const [at, offset] of [
      [path, beyond],
      [wakeStream, first],
      ["nowhere", first],
      [path, "-1"],
      [
        path,
        "now",
      ],
      [path, "x"],
      [path, ""],
      [path, "0000000000000001_0000000000000000"],
    ]
  ) assertRefused(await ack(at!, offset!), 409, "INVALID_OFFSET");
  assert.equal((await ack(path, second)).status, 200);
  assertRefused(await ack(path, first), 409, "INVALID_OFFSET");
  // All or nothing.
  await appendTo(node.url, path, 3);
  const mixed = [{ stream: path, offset: second }, { stream: "nowhere", offset: first }];
  assertRefused(await subscription.ack(claim, { acks: mixed }), 409, "INVALID_OFFSET");
  assert.equal(await subscription.acked(path), second);
  // Whether the look that follows an append has been by then or not: there is work for another claim.
  assert.equal((await subscription.ack(claim, { acks: [] })).status, 200);
  await subscription.claimed();
});

Deno.test("an ack by an offset of a deleted stream is refused, and moves nothing", async () => {
  const { subscription, path } = await setUp({ lease_ttl_ms: 20_000 });
  const old = await appendTo(node.url, path, 1);
  const claim = await subscription.claimed();
  assert.equal((await subscription.ack(claim)).status, 200);
  assert.equal(await subscription.acked(path), old);
  await fetch(`${node.url}/v1/stream/${path}`, { method: "DELETE" });
  await stream(node.url, path, 1, 2, 3, 4);
  const again = await eventually(5000, "the successor's wake", async () => {
    const answer = await subscription.claim();
    return answer.status === 200 ? answer.body as typeof claim : undefined;
  });
  assertRefused(
    await subscription.ack(again, { acks: [{ stream: path, offset: old }] }),
    409,
    "INVALID_OFFSET",
  );
  assert.equal(await subscription.acked(path), START);
  assert.equal((await subscription.ack(again)).status, 200);
  assert.notEqual(await subscription.acked(path), old);
});

Deno.test("links of a fork show its source's offsets up to the fork", async () => {
  const { subscription, folder, path } = await setUp({ lease_ttl_ms: 20_000 });
  const offset = await appendTo(node.url, path, 1);
  const fork = `${folder}/fork`;
  await fetch(`${node.url}/v1/stream/${fork}`, {
    method: "PUT",
    headers: { "stream-forked-from": `/v1/stream/${path}` },
  });
  await eventually(
    5000,
    "the fork's link",
    async () => await subscription.acked(fork) === offset ? true : undefined,
  );
  const own = await appendTo(node.url, fork, 2);
  const claim = await subscription.claimed();
  assert.equal(
    (await subscription.ack(claim, { acks: [{ stream: fork, offset: own }] })).status,
    200,
  );
  assert.equal(await subscription.acked(fork), own);
});

Deno.test("a subscription needs a wake stream that is there, open and JSON", async () => {
  const folder = unique("events");
  const make = (path: string, contentType: string, headers: Record<string, string> = {}) =>
    fetch(`${node.url}/v1/stream/${path}`, {
      method: "PUT",
      headers: { "content-type": contentType, ...headers },
    }).then((response) => response.body?.cancel());
  const wakeStream = unique("wake");
  const subscription = new Subscription(node.url);
  const configuration = { type: "pull-wake", pattern: `${folder}/*`, wake_stream: wakeStream };
  assertRefused(await subscription.put(configuration), 400, "WAKE_STREAM_NOT_FOUND");
  await make(wakeStream, "text/plain");
  assertRefused(await subscription.put(configuration), 400, "WAKE_STREAM_NOT_JSON");
  const closed = unique("wake");
  await make(closed, "application/json", { "stream-closed": "true" });
  const refused = await subscription.put({ ...configuration, wake_stream: closed });
  assertRefused(refused, 400, "WAKE_STREAM_CLOSED");
  assertRefused(await send("GET", subscription.url), 404, "SUBSCRIPTION_NOT_FOUND");
  await send("DELETE", `${node.url}/v1/stream/${wakeStream}`);
  await make(wakeStream, "application/json; charset=utf-8");
  await subscription.create(configuration);
  // What exists is confirmed, or is another one, whatever has become of its wake stream since.
  await send("DELETE", `${node.url}/v1/stream/${wakeStream}`);
  assert.equal((await subscription.put(configuration)).status, 200);
  const other = await subscription.put({ ...configuration, description: "another" });
  assertRefused(other, 409, "SUBSCRIPTION_ALREADY_EXISTS");
});

Deno.test("a wake stream that is deleted and made again gets its event by a retry, once", async () => {
  const { subscription, path, wakeStream } = await setUp({ lease_ttl_ms: 20_000 });
  assert.equal(
    (await fetch(`${node.url}/v1/stream/${wakeStream}`, { method: "DELETE" })).status,
    204,
  );
  await appendTo(node.url, path, 1);
  await node.server.logged((line) =>
    line.event === "delivery_failed" && line.subscription === subscription.id
  );
  assert.equal((await subscription.read()).status, "failed");
  await stream(node.url, wakeStream);
  const events = new WakeReader(`${node.url}/v1/stream/${wakeStream}`);
  assert.equal((await events.next()).generation, 1);
  await eventually(
    5000,
    "the status",
    async () => (await subscription.read()).status === "active" || undefined,
  );
  assert.equal((await events.all()).length, 1);
  // A claim needs no event: what waits for the retry can be claimed.
  assert.equal((await subscription.claimed()).generation, 1);
});

Deno.test("an ack with done says next_wake for what was appended, or created, just before", async () => {
  const { subscription, folder, path, events } = await setUp({ lease_ttl_ms: 20_000 });
  const other = await stream(node.url, `${folder}/b`);
  await appendTo(node.url, path, 0);
  let wake = await events.next();
  for (let round = 0; round < 20; round++) {
    const claim = await subscription.claimed();
    assert.equal(claim.generation, wake.generation);
    if (round % 2 === 0) await appendTo(node.url, other, round);
    else await stream(node.url, `${folder}/new-${round}`, round);
    const acked = await subscription.ack(claim);
    assert.deepEqual(acked.body, { ok: true, next_wake: true }, `round ${round}`);
    wake = await events.next();
  }
  assert.deepEqual((await subscription.ack(await subscription.claimed())).body, {
    ok: true,
    next_wake: false,
  });
});

Deno.test("a pattern that matches its own wake stream does not wake itself", async () => {
  const folder = unique("all");
  const wakeStream = await stream(node.url, `${folder}/wake`);
  const path = await stream(node.url, `${folder}/a`);
  const subscription = new Subscription(node.url);
  await subscription.create({
    type: "pull-wake",
    pattern: `${folder}/**`,
    wake_stream: wakeStream,
  });
  await appendTo(node.url, path, 1);
  const events = new WakeReader(`${node.url}/v1/stream/${wakeStream}`);
  await events.next();
  const claim = await subscription.claimed();
  assert.deepEqual(claim.streams.map((item) => item.path), [path]);
  assert.deepEqual((await subscription.ack(claim)).body, { ok: true, next_wake: false });
  assert.equal((await events.all()).length, 1);
});

Deno.test("deletion in mid-flight: ack, release and claim fail", async () => {
  const { subscription, path } = await setUp({ lease_ttl_ms: 20_000 });
  await appendTo(node.url, path, 1);
  const claim = await subscription.claimed();
  await subscription.remove();
  assertRefused(await subscription.ack(claim), 404, "SUBSCRIPTION_NOT_FOUND");
  assertRefused(await subscription.release(claim), 404, "SUBSCRIPTION_NOT_FOUND");
  assertRefused(await subscription.claim(), 404, "SUBSCRIPTION_NOT_FOUND");
});

Deno.test("tokens: none, forged, of another subscription, of the other kind", async () => {
  const { subscription, path } = await setUp({ lease_ttl_ms: 20_000 });
  const other = await setUp({ lease_ttl_ms: 20_000 });
  await appendTo(node.url, path, 1);
  await appendTo(node.url, other.path, 1);
  const claim = await subscription.claimed();
  const stranger = await other.subscription.claimed();
  const [head, payload, signature] = claim.token.split(".");
  const flipped = (signature!.startsWith("A") ? "B" : "A") + signature!.slice(1);
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  const forged = [
    "x",
    "a.b.c",
    `${head}.${payload}.${flipped}`,
    `${none}.${payload}.`,
    `${none}.${payload}.${signature}`,
    stranger.token,
  ];
  for (const token of forged) {
    assertRefused(await subscription.ack({ ...claim, token }), 401, "TOKEN_INVALID");
    assertRefused(await subscription.release({ ...claim, token }), 401, "TOKEN_INVALID");
  }
  const body = { wake_id: claim.wake_id, generation: claim.generation, done: true };
  const bare = await send("POST", `${subscription.url}/ack`, body);
  assertRefused(bare, 401, "TOKEN_INVALID");
  assert.equal(bare.headers.get("www-authenticate"), "Bearer");
  const callback = await send("POST", `${subscription.url}/callback`, body, claim.token);
  assertRefused(callback, 400, "INVALID_REQUEST");
  assert.equal((await subscription.ack(claim)).status, 200);
});

Deno.test("many workers claim at once: one gets it", async () => {
  const { subscription, path } = await setUp({ lease_ttl_ms: 20_000 });
  await appendTo(node.url, path, 1);
  const claims = await Promise.all(
    Array.from({ length: 20 }, (_, at) => subscription.claim(`w${at}`)),
  );
  assert.equal(claims.filter(({ status }) => status === 200).length, 1);
  assert.equal(claims.filter(({ body }) => body.error?.code === "ALREADY_CLAIMED").length, 19);
});
