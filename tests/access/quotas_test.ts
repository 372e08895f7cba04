/** `--quota`: what a namespace may hold, at the socket, on one node and on two. */
import assert from "node:assert/strict";
import { parseQuotas } from "../../src/cli/limit_settings.ts";
import { startServer } from "../support/server.ts";
import { eventually, serverForThisFile } from "../system/support.ts";
import { ADMIN, ask, SECRET, secretFiles, signHmac } from "./support.ts";

const files = secretFiles({ admin: ADMIN, secret: SECRET });
globalThis.addEventListener("unload", () => files.remove());
const args = [
  ...["--admin-token-file", files.path("admin"), "--jwt-secret-file", files.path("secret")],
  ...["--jwt-rules", "read,append,create,delete,admin:**"],
  ...["--quota", "streams=3,bytes=10KiB; big/one: bytes=1MiB"],
];
const TEXT = { "content-type": "text/plain" };
const KIB = "x".repeat(1024);

let tenants = 0;
/** A tenant of its own for each test, and what it sends. */
async function tenantAt(base: string, namespace = `tenant-${++tenants}`) {
  const token = await signHmac({ sub: "a", penstock_namespace: namespace }, SECRET);
  return { namespace, ...senderOf(base, token) };
}

function senderOf(base: string, token: string) {
  const send = (method: string) => (path: string, body?: string) =>
    ask(`${base}/v1/stream/${path}`, { token, method, body, headers: TEXT });
  return { put: send("PUT"), post: send("POST"), remove: send("DELETE") };
}

for (const runtime of ["deno", "bun"] as const) {
  const node = serverForThisFile("postgres", { runtime, args });

  Deno.test(`${runtime}: a namespace has as many streams as its quota says`, async () => {
    const { namespace, put, post, remove } = await tenantAt(node.url);
    for (const path of ["a", "b", "c"]) assert.equal((await put(path, "x")).status, 201);
    const refused = await put("d", "x");
    assert.deepEqual([refused.status, refused.code], [403, "QUOTA_EXCEEDED"]);
    await node.server.logged((line) =>
      line.event === "access_refused" && line.reason === "quota_exceeded" &&
      line.principal === "jwt a"
    );
    // What is there may be confirmed and appended to; others are not concerned.
    assert.equal((await put("c")).status, 200);
    assert.equal((await post("c", "y")).status, 204);
    assert.equal((await (await tenantAt(node.url)).put("d", "x")).status, 201);
    const admin = senderOf(node.url, ADMIN);
    assert.equal((await admin.put(`${namespace}/e`, "x")).status, 201);
    for (const path of ["a", "e"]) assert.equal((await remove(path)).status, 204);
    await eventually(5000, "room after two deletions", async () => {
      return (await put("d", "x")).status === 201 || undefined;
    });
    assert.equal((await put("e", "x")).code, "QUOTA_EXCEEDED");
  });

  Deno.test(`${runtime}: bytes never exceed the quota on one node, however many come at once`, async () => {
    const { put, post, remove, namespace } = await tenantAt(node.url);
    await put("a");
    const answers = await Promise.all(Array.from({ length: 40 }, () => post("a", KIB)));
    const codes = answers.map(({ status, code }) => code ?? status);
    assert.equal(codes.filter((code) => code === 204).length, 10);
    assert.equal(codes.filter((code) => code === "QUOTA_EXCEEDED").length, 30);
    const url = `${node.url}/v1/stream/__ds/usage?prefix=${namespace}/`;
    const usage = await ask(url, { token: ADMIN });
    assert.equal(usage.body.bytes, 10 * 1024);
    // A close takes nothing. What a fork still reads is stored, though its stream was deleted.
    const token = await signHmac({ sub: "a", penstock_namespace: namespace }, SECRET);
    const headers = { ...TEXT, "stream-forked-from": "/v1/stream/a" };
    const fork = await ask(`${node.url}/v1/stream/f`, { token, method: "PUT", headers });
    assert.equal(fork.status, 201);
    const close = { token, method: "POST", headers: { "stream-closed": "true" } };
    assert.equal((await ask(`${node.url}/v1/stream/a`, close)).status, 204);
    assert.equal((await remove("a")).status, 204);
    await node.server.kill();
    const again = await startServer({ runtime, args, database: { url: node.databaseUrl } });
    try {
      const after = senderOf(again.url, token);
      assert.equal((await after.post("f", "x")).code, "QUOTA_EXCEEDED");
      assert.equal((await after.remove("f")).status, 204);
      await eventually(5000, "room when the fork has gone too", async () => {
        return (await after.put("b", KIB)).status === 201 || undefined;
      });
    } finally {
      await again.kill();
    }
  });
}

const first = serverForThisFile("postgres", { args });

Deno.test("a named quota, and what a tenant divides among tokens of its own", async () => {
  const big = await tenantAt(first.url, "big/one");
  await big.put("a");
  for (let at = 0; at < 20; at++) assert.equal((await big.post("a", KIB)).status, 204);

  const { namespace, put } = await tenantAt(first.url);
  const by = await signHmac({ sub: "a", penstock_namespace: namespace }, SECRET);
  const make = async (token: string, name: string) => {
    const body = { name, namespace: name, rules: ["create,append,admin:**"] };
    const made = await ask(`${first.url}/v1/stream/__ds/tokens`, { token, method: "POST", body });
    return made.body.token as string;
  };
  const child = await make(by, "child");
  const grandchild = await make(child, "grandchild");
  assert.equal((await put("a")).status, 201);
  assert.equal((await senderOf(first.url, child).put("a")).status, 201);
  assert.equal((await senderOf(first.url, grandchild).put("a")).status, 201);
  for (const token of [by, child, grandchild]) {
    assert.equal((await senderOf(first.url, token).put("b")).code, "QUOTA_EXCEEDED");
  }
  const signed = await ask(`${first.url}/v1/stream/__ds/sign`, {
    token: child,
    method: "POST",
    body: { path: "a", operation: "append", expires_in_seconds: 60 },
  });
  const answers: number[] = [];
  for (let at = 0; at < 11; at++) {
    const url = new URL(signed.body.url as string, first.url);
    answers.push((await ask(url.href, { method: "POST", body: KIB })).status);
  }
  assert.deepEqual(answers, [...Array.from({ length: 10 }, () => 204), 403]);
  // A tenant whose first token an operator made.
  const made = await make(ADMIN, "stored");
  const inner = await make(made, "inner");
  for (const path of ["a", "b", "c"]) await senderOf(first.url, inner).put(path);
  assert.equal((await senderOf(first.url, made).put("d")).code, "QUOTA_EXCEEDED");
});

Deno.test("what one node took, another knows within seconds", async () => {
  const second = await startServer({ args, database: { url: first.databaseUrl } });
  try {
    const here = await tenantAt(first.url);
    const there = await tenantAt(second.url, here.namespace);
    await here.put("a");
    assert.equal((await there.post("a", "x")).status, 204);
    for (let at = 0; at < 9; at++) assert.equal((await here.post("a", KIB)).status, 204);
    const began = performance.now();
    let taken = 0;
    await eventually(5000, "the other node's refusal", async () => {
      const answered = await there.post("a", "x".repeat(16));
      if (answered.status === 204) taken += 16;
      return answered.code === "QUOTA_EXCEEDED" || undefined;
    });
    const ms = Math.round(performance.now() - began);
    assert.ok(taken < 4096, `${taken} bytes were taken`);
    console.log(`  ${ms} ms, and ${9 * 1024 + 1 + taken} of 10240 bytes`);
  } finally {
    await second.kill();
  }
});

Deno.test("--quota is read as docs/security.md has it, and what is wrong is named", () => {
  const quotas = parseQuotas("streams=1000,bytes=10GiB; acme/eu/: bytes=1TiB")!;
  assert.deepEqual(quotas.general, { streams: 1000, bytes: 10 * 2 ** 30 });
  assert.deepEqual([...quotas.named], [["acme/eu", { streams: Infinity, bytes: 2 ** 40 }]]);
  assert.equal(parseQuotas(" "), null);
  const wrong = ["streams", "streams=0", "bytes=x", "rows=1", "a:", "../a: streams=1"];
  for (const text of [...wrong, "*: streams=1", "streams=1; bytes=1", "streams=1,streams=2"]) {
    assert.throws(() => parseQuotas(text), text);
  }
});
