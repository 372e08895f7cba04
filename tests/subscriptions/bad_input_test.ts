/** What the control APIs refuse: with its status and code, and with nothing stored. */
import assert from "node:assert/strict";
import { serverForThisFile } from "../system/support.ts";
import { assertRefused, send, stream, Subscription, unique } from "./support.ts";

const node = serverForThisFile();
const HOOK = { url: "https://hook.invalid/" };
const WEBHOOK = { type: "webhook", pattern: "events/*", webhook: HOOK };
const PULL = { type: "pull-wake", pattern: "events/*", wake_stream: "wake" };

const BODIES: unknown[] = [
  "",
  "{",
  "null",
  "[]",
  '"text"',
  "1",
  '{"type":"webhook"',
  "\ufeff{}x",
  {},
  { ...WEBHOOK, type: "Webhook" },
  { ...WEBHOOK, type: 1 },
  { ...WEBHOOK, type: null },
  { ...WEBHOOK, pattern: null },
  { ...WEBHOOK, pattern: 1 },
  { ...WEBHOOK, pattern: "" },
  { ...WEBHOOK, pattern: ["a"] },
  { ...WEBHOOK, pattern: "a//b" },
  { ...WEBHOOK, pattern: "a*" },
  { ...WEBHOOK, pattern: "../a" },
  { ...WEBHOOK, pattern: "__ds/*" },
  { ...WEBHOOK, pattern: "x".repeat(1025) },
  { ...WEBHOOK, pattern: "a\0b" },
  { ...WEBHOOK, pattern: null, streams: [] },
  { ...WEBHOOK, streams: "a" },
  { ...WEBHOOK, streams: {} },
  { ...WEBHOOK, streams: [1] },
  { ...WEBHOOK, streams: [null] },
  { ...WEBHOOK, streams: [""] },
  { ...WEBHOOK, streams: ["a/../b"] },
  { ...WEBHOOK, streams: ["a//b"] },
  { ...WEBHOOK, streams: ["__ds/subscriptions/x"] },
  { ...WEBHOOK, streams: ["a\\b"] },
  { ...WEBHOOK, streams: ["a\u0000b"] },
  { ...WEBHOOK, streams: ["x".repeat(1025)] },
  { ...WEBHOOK, streams: Array.from({ length: 10_001 }, (_, at) => `s${at}`) },
  { ...WEBHOOK, webhook: null },
  { ...WEBHOOK, webhook: "https://hook.invalid/" },
  { ...WEBHOOK, webhook: [] },
  { ...WEBHOOK, webhook: {} },
  { ...WEBHOOK, webhook: { url: 1 } },
  { ...WEBHOOK, webhook: { url: "" } },
  { ...WEBHOOK, lease_ttl_ms: 999 },
  { ...WEBHOOK, lease_ttl_ms: 600_001 },
  { ...WEBHOOK, lease_ttl_ms: 1000.5 },
  { ...WEBHOOK, lease_ttl_ms: "30000" },
  { ...WEBHOOK, lease_ttl_ms: true },
  { ...WEBHOOK, lease_ttl_ms: -1 },
  { ...WEBHOOK, description: 1 },
  { ...WEBHOOK, description: {} },
  { ...WEBHOOK, description: "x".repeat(4097) },
  { ...WEBHOOK, description: "\0" },
  { ...WEBHOOK, wake_stream: 1 },
  { ...PULL, wake_stream: null },
  { ...PULL, wake_stream: "" },
  { ...PULL, wake_stream: "a/../b" },
  { ...PULL, wake_stream: "__ds/x" },
  { ...PULL, wake_stream: 7 },
  { ...PULL, streams: ["wake"] },
];

Deno.test("PUT refuses every malformed configuration with INVALID_REQUEST", async () => {
  const subscription = new Subscription(node.url);
  for (const body of BODIES) {
    const answered = await send("PUT", subscription.url, body);
    assertRefused(answered, 400, "INVALID_REQUEST");
  }
  const broken = await fetch(subscription.url, {
    method: "PUT",
    body: new Uint8Array([0x22, 0xff]),
  });
  assert.equal(broken.status, 400);
  await broken.body?.cancel();
  assertRefused(await send("PUT", subscription.url), 400, "INVALID_REQUEST");
  assertRefused(await send("GET", subscription.url), 404, "SUBSCRIPTION_NOT_FOUND");
});

Deno.test("PUT refuses a body beyond its bound", async () => {
  const answered = await new Subscription(node.url).put({ ...WEBHOOK, x: "x".repeat(5 << 20) });
  assertRefused(answered, 413, "BODY_TOO_LARGE");
});

Deno.test("PUT refuses webhook URLs that lead inside, and stores nothing", async () => {
  const subscription = new Subscription(node.url);
  const urls = [
    "http://10.0.0.1/",
    "https://169.254.169.254/",
    "https://2130706433/",
    "ftp://a/",
    "x",
  ];
  for (const url of urls) {
    const answered = await subscription.put({ ...WEBHOOK, webhook: { url } });
    assertRefused(answered, 400, "WEBHOOK_URL_REJECTED");
  }
  assertRefused(await send("GET", subscription.url), 404, "SUBSCRIPTION_NOT_FOUND");
});

Deno.test("ids: anything printable of one segment, and nothing else", async () => {
  const base = `${node.url}/v1/stream/__ds/subscriptions/`;
  for (const id of ["a%2Fb", "a%5Cb", "a%00", "%0A", "%ff", "%", "%zz", "x".repeat(257), "%7f"]) {
    assertRefused(await send("PUT", base + id, WEBHOOK), 400, "INVALID_REQUEST");
    assertRefused(await send("GET", base + id), 400, "INVALID_REQUEST");
  }
  for (const id of ["é😀", "a b", "x".repeat(256), "__proto__", "a'b\"c;--", "%"]) {
    const subscription = new Subscription(node.url, id);
    assert.equal((await subscription.create(WEBHOOK)).id, id);
    assert.equal((await subscription.read()).id, id);
    await subscription.remove();
  }
});

Deno.test("the reserved prefix is never a stream", async () => {
  const paths = ["__ds", "__ds/", "__ds/x", "__ds/subscriptions/", "__ds//x"];
  for (const path of [...paths, "__ds/subscriptions/x/y", "__ds/subscriptions/x/claim/y"]) {
    for (const method of ["GET", "PUT", "POST", "DELETE", "HEAD"]) {
      const response = await fetch(`${node.url}/v1/stream/${path}`, {
        method,
        headers: { "content-type": "text/plain" },
        ...method === "PUT" || method === "POST" ? { body: "x" } : {},
      });
      await response.body?.cancel();
      assert.equal(response.status, 404, `${method} ${path}`);
    }
  }
  const encoded = await fetch(`${node.url}/v1/stream/%5F%5Fds/x`, { method: "PUT" });
  await encoded.body?.cancel();
  assert.equal(encoded.status, 400);
});

Deno.test("methods that are not there get 405 with Allow", async () => {
  const subscription = new Subscription(node.url);
  await subscription.create(WEBHOOK);
  const cases = [
    ["POST", "", "PUT, GET, HEAD, DELETE"],
    ["PATCH", "", "PUT, GET, HEAD, DELETE"],
    ["GET", "/streams", "POST"],
    ["POST", "/streams/a", "DELETE"],
    ["GET", "/claim", "POST"],
    ["PUT", "/callback", "POST"],
    ["DELETE", "/ack", "POST"],
    ["GET", "/release", "POST"],
  ];
  for (const [method, path, allow] of cases) {
    const answered = await send(method!, subscription.url + path);
    assertRefused(answered, 405, "METHOD_NOT_ALLOWED");
    assert.equal(answered.headers.get("allow"), allow);
  }
  const keys = await send("POST", `${node.url}/v1/stream/__ds/jwks.json`, {});
  assertRefused(keys, 405, "METHOD_NOT_ALLOWED");
});

Deno.test("memberships: malformed bodies and paths change nothing", async () => {
  const subscription = new Subscription(node.url);
  const created = await subscription.create(WEBHOOK);
  const bodies = ["", "[]", {}, { streams: [] }, { streams: "a" }, { streams: ["ok", 1] }];
  for (const body of [...bodies, { streams: ["ok", "a//b"] }, { streams: ["__ds"] }]) {
    const answered = await send("POST", `${subscription.url}/streams`, body);
    assertRefused(answered, 400, "INVALID_REQUEST");
  }
  for (const path of ["a//b", "__ds/x", "%ff", "a%00", "", "a/"]) {
    const answered = await send("DELETE", `${subscription.url}/streams/${path}`);
    assertRefused(answered, 400, "INVALID_REQUEST");
  }
  assert.deepEqual(await subscription.read(), created);
  const nobody = new Subscription(node.url);
  const added = await send("POST", `${nobody.url}/streams`, { streams: ["a"] });
  assertRefused(added, 404, "SUBSCRIPTION_NOT_FOUND");
  const removed = await send("DELETE", `${nobody.url}/streams/a`);
  assertRefused(removed, 404, "SUBSCRIPTION_NOT_FOUND");
});

Deno.test("claims, acks and releases: malformed bodies move no cursor and end no lease", async () => {
  const folder = unique("events");
  const subscription = new Subscription(node.url);
  await stream(node.url, unique("wake"));
  await stream(node.url, PULL.wake_stream);
  await subscription.create({ ...PULL, pattern: `${folder}/*`, lease_ttl_ms: 60_000 });
  const path = await stream(node.url, `${folder}/a`, 1);
  for (const body of ["", "[]", {}, { worker: "" }, { worker: 1 }, { worker: "x".repeat(257) }]) {
    const answered = await send("POST", `${subscription.url}/claim`, body);
    assertRefused(answered, 400, "INVALID_REQUEST");
  }
  const claim = await subscription.claimed();
  const good = { wake_id: claim.wake_id, generation: claim.generation };
  const offset = claim.streams[0]!.tail_offset;
  const bodies: unknown[] = [
    "",
    "[]",
    "{",
    {},
    { generation: 1 },
    { wake_id: claim.wake_id },
    { ...good, generation: "1" },
    { ...good, generation: 1.5 },
    { ...good, generation: -1 },
    { ...good, generation: 1e300 },
    { ...good, wake_id: 1 },
    { ...good, wake_id: "" },
  ];
  const acks: unknown[] = [
    { ...good, acks: {} },
    { ...good, acks: "all" },
    { ...good, acks: [1] },
    { ...good, acks: [{}] },
    { ...good, acks: [{ stream: path }] },
    { ...good, acks: [{ offset }] },
    { ...good, acks: [{ stream: 1, offset }] },
    { ...good, acks: [{ stream: path, offset: 1 }] },
    { ...good, acks: [{ stream: "a//b", offset }] },
    { ...good, done: "true" },
    { ...good, done: 1 },
    { ...good, acks: Array(10_001).fill({ stream: path, offset }) },
  ];
  for (const body of [...bodies, ...acks]) {
    const answered = await send("POST", `${subscription.url}/ack`, body, claim.token);
    assertRefused(answered, 400, "INVALID_REQUEST");
  }
  for (const body of bodies) {
    const answered = await send("POST", `${subscription.url}/release`, body, claim.token);
    assertRefused(answered, 400, "INVALID_REQUEST");
  }
  for (const wrong of [{ generation: claim.generation + 1 }, { wake_id: "w_other" }]) {
    const fenced = { ...claim, ...wrong };
    assertRefused(await subscription.ack(fenced), 409, "FENCED");
    assertRefused(await subscription.release(fenced), 409, "FENCED");
  }
  assert.equal(await subscription.acked(path), "0000000000000000_0000000000000000");
  assert.deepEqual((await subscription.ack(claim)).body, { ok: true, next_wake: false });
  const webhook = new Subscription(node.url);
  await webhook.create(WEBHOOK);
  assertRefused(await webhook.claim(), 400, "INVALID_REQUEST");
  assertRefused(await new Subscription(node.url).claim(), 404, "SUBSCRIPTION_NOT_FOUND");
});
