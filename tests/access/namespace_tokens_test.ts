/** Tokens and JWTs in namespaces, what a webhook says, and the token of a first start. */
import assert from "node:assert/strict";
import { eventually, serverForThisFile, withServer, withStorage } from "../system/support.ts";
import { ADMIN, ask, SECRET, secretFiles, signHmac } from "./support.ts";

const files = secretFiles({ admin: ADMIN, secret: SECRET });
globalThis.addEventListener("unload", () => files.remove());
const jwt = ["--jwt-secret-file", files.path("secret")];
const node = serverForThisFile("postgres", {
  args: ["--admin-token-file", files.path("admin"), ...jwt, "--anonymous", "read:public/**"],
});
const templated = serverForThisFile("embedded", {
  args: [...jwt, "--jwt-namespace", "tenants/{org}", "--jwt-rules", "read,create:**"],
});
const stream = (path: string) => `${node.url}/v1/stream/${path}`;
const ALL = "read,append,create,delete,subscribe,list,admin:**";

function make(by: string, body: Record<string, unknown>) {
  return ask(stream("__ds/tokens"), { method: "POST", token: by, body: { rules: [ALL], ...body } });
}

Deno.test("a token of a namespace makes children that do not exceed it", async () => {
  const acme = (await make(ADMIN, { name: "acme", namespace: "acme/" })).body.token as string;
  const put = await ask(stream("x"), { method: "PUT", token: acme, body: "x" });
  assert.equal(put.headers.get("location"), stream("x"));
  assert.equal((await ask(stream("acme/x"), { token: ADMIN })).status, 200);
  assert.equal((await ask(stream("x"), { token: ADMIN })).status, 404);

  const child = await make(acme, { name: "child", namespace: "eu" });
  assert.deepEqual([child.body.name, child.body.namespace], ["child", "eu"]);
  const eu = child.body.token as string;
  await ask(stream("y"), { method: "PUT", token: eu, body: "y" });
  assert.equal((await ask(stream("eu/y"), { token: acme })).status, 200);
  assert.equal((await ask(stream("acme/eu/y"), { token: ADMIN })).status, 200);
  // Its own token, made from outside, is not among the names in the namespace.
  const names = async (token: string) =>
    ((await ask(stream("__ds/tokens"), { token })).body.tokens as { name: string }[])
      .map(({ name }) => name);
  assert.deepEqual(await names(acme), ["child"]);
  assert.deepEqual(await names(eu), []);
  assert.deepEqual((await names(ADMIN)).filter((name) => name.startsWith("acme")), [
    "acme",
    "acme/child",
  ]);
  // A name is taken only where its holder could see the token.
  assert.equal((await make(ADMIN, { name: "child" })).status, 201);
  assert.equal((await make(acme, { name: "child" })).code, "ACCESS_TOKEN_EXISTS");
  for (const namespace of ["..", "../other", "a/../b", "*", "__ds", "", "/", "a//b"]) {
    const made = await make(acme, { name: "n", namespace });
    assert.equal(made.code, "INVALID_REQUEST", namespace);
  }
  const narrow = await make(acme, { name: "narrow", rules: ["read,admin:eu/**"] });
  const by = narrow.body.token as string;
  assert.equal((await make(by, { name: "a", namespace: "eu", rules: ["read:a/**"] })).status, 201);
  assert.equal(
    (await make(by, { name: "b", namespace: "us", rules: ["read:a"] })).code,
    "FORBIDDEN",
  );
  assert.equal((await make(by, { name: "c", rules: ["read:a"] })).code, "FORBIDDEN");
  // From outside they are revoked by their whole names, and go with what they descend from.
  const revoke = (name: string, token: string) =>
    ask(stream(`__ds/tokens/${name}`), { method: "DELETE", token });
  assert.equal((await revoke("acme/child", acme)).code, "ACCESS_TOKEN_NOT_FOUND");
  assert.equal((await revoke("acme/child", ADMIN)).status, 204);
  assert.equal((await ask(stream("y"), { token: eu })).code, "CREDENTIALS_INVALID");
});

Deno.test("rules for everyone do not reach into a namespace, nor out of one", async () => {
  const token = (await make(ADMIN, { name: "closed", namespace: "closed", rules: ["read:a"] })).body
    .token as string;
  for (const path of ["public/a", "closed/public/a"]) {
    await ask(stream(path), { method: "PUT", token: ADMIN, body: "x" });
  }
  assert.equal((await ask(stream("public/a"), { token })).code, "FORBIDDEN");
  assert.equal((await ask(stream("public/a"))).status, 200);
  assert.equal((await ask(stream("closed/public/a"))).code, "UNAUTHENTICATED");
});

Deno.test("a JWT says its namespace by a claim, or by a template", async () => {
  const within = await signHmac({ penstock: ALL, penstock_namespace: "jwt" }, SECRET);
  await ask(stream("z"), { method: "PUT", token: within, body: "z" });
  assert.equal((await ask(stream("jwt/z"), { token: ADMIN })).status, 200);
  for (const wrong of ["..", "a/*", "", 1, null, ["jwt"]]) {
    const token = await signHmac({ penstock: ALL, penstock_namespace: wrong }, SECRET);
    assert.equal((await ask(stream("z"), { token })).code, "CREDENTIALS_INVALID", String(wrong));
  }
  const url = (path: string) => `${templated.url}/v1/stream/${path}`;
  const of = (claims: Record<string, unknown>) => signHmac(claims, SECRET);
  const [one, two] = [await of({ org: "one" }), await of({ org: "two" })];
  assert.equal((await ask(url("m"), { method: "PUT", token: one, body: "1" })).status, 201);
  assert.equal((await ask(url("m"), { token: two })).status, 404);
  assert.equal((await ask(url("m"), { token: one })).status, 200);
  // A claim is one segment whatever it holds, and one that is missing is no way out.
  const inner = await of({ org: "one/../two", penstock_namespace: "x" });
  assert.equal((await ask(url("m"), { token: inner })).status, 404);
  for (const claims of [{}, { org: "" }, { org: ".." }, { org: "*" }, { org: null }]) {
    assert.equal((await ask(url("m"), { token: await of(claims) })).code, "CREDENTIALS_INVALID");
  }
});

Deno.test("wake events, claims and acks name things as the namespace does", async () => {
  const token = (await make(ADMIN, { name: "wakes", namespace: "waking" })).body.token as string;
  const json = { "content-type": "application/json" };
  await ask(stream("w"), { method: "PUT", token, headers: json });
  const subscription = { type: "pull-wake", pattern: "**/j", streams: ["j"], wake_stream: "w" };
  const put = await ask(stream("__ds/subscriptions/s"), {
    method: "PUT",
    token,
    body: subscription,
  });
  assert.deepEqual(
    [put.status, put.body.id, put.body.pattern, put.body.wake_stream],
    [201, "s", "**/j", "w"],
  );
  await ask(stream("j"), { method: "PUT", token, headers: json, body: [1] });
  // One of the same names outside of the namespace wakes nobody.
  await ask(stream("j"), { method: "PUT", token: ADMIN, headers: json, body: [1] });
  const events = await eventually(10_000, "the wake event", async () => {
    const read = await fetch(stream("w"), { headers: { authorization: `Bearer ${token}` } });
    const all = await read.json() as Record<string, unknown>[];
    return all.length > 0 ? all : undefined;
  });
  assert.deepEqual(events.map(({ subscription_id, stream }) => [subscription_id, stream]), [[
    "s",
    "j",
  ]]);
  const claim = await ask(stream("__ds/subscriptions/s/claim"), {
    method: "POST",
    token,
    body: { worker: "me" },
  });
  const streams = claim.body.streams as { path: string; tail_offset: string }[];
  assert.deepEqual(streams.map(({ path }) => path), ["j"]);
  const ack = (id: string, path: string) =>
    ask(stream(`__ds/subscriptions/${id}/ack`), {
      method: "POST",
      token: claim.body.token as string,
      body: {
        wake_id: claim.body.wake_id,
        generation: claim.body.generation,
        acks: [{ stream: path, offset: streams[0]!.tail_offset }],
        done: true,
      },
    });
  const other = await ack("s", "other");
  assert.deepEqual(
    (other.body.error as { message: string }).message,
    "other is not a stream of this subscription",
  );
  assert.equal((await ack("other", "j")).code, "TOKEN_INVALID");
  assert.equal((await ack("s", "j")).status, 200);
  // Outside there is none of this id.
  assert.equal((await ask(stream("__ds/subscriptions/s"), { token: ADMIN })).status, 404);
});

Deno.test("what the server does as a whole is nothing to a tenant, not even to its admin", async () => {
  const token = (await make(ADMIN, { name: "curious", namespace: "curious" })).body.token as string;
  for (const url of [`${node.url}/metrics`, stream("__ds/node"), `${node.url}/nothing`]) {
    const answered = await ask(url, { token });
    assert.deepEqual([answered.status, answered.code], [403, "FORBIDDEN"], url);
    assert.notEqual((await ask(url, { token: ADMIN })).status, 403, url);
  }
});

Deno.test("a signed URL is of the namespace of its maker", async () => {
  const token = (await make(ADMIN, { name: "signs", namespace: "signing" })).body.token as string;
  await ask(stream("p"), { method: "PUT", token, body: "inside" });
  await ask(stream("p"), { method: "PUT", token: ADMIN, body: "outside" });
  const signed = await ask(stream("__ds/sign"), {
    method: "POST",
    token,
    body: { path: "p", operation: "read", expires_in_seconds: 60 },
  });
  const url = signed.body.url as string;
  assert.ok(url.startsWith(`${stream("p")}?`) && !url.includes("signing"), url);
  assert.equal(await (await fetch(url)).text(), "inside");
  assert.equal((await ask(url.replace("/p?", "/signing/p?"))).code, "CREDENTIALS_INVALID");
});

Deno.test("--access on makes a token at the first start, prints it once, and never again", () =>
  withStorage("embedded", async (database) => {
    const args = ["--access", "on"];
    const printed = /^pst_[A-Za-z0-9_-]{43}$/m;
    let token = "";
    await withServer({ database, args }, async (server) => {
      const url = `${server.url}/v1/stream/a`;
      assert.equal((await ask(url, { method: "PUT" })).code, "UNAUTHENTICATED");
      [token] = printed.exec(server.stderr())!;
      assert.equal((await ask(url, { method: "PUT", token, body: "x" })).status, 201);
      assert.ok(!server.logs.join("\n").includes(token));
      await server.stop();
    });
    await withServer({ database, args }, async (server) => {
      assert.equal(printed.exec(server.stderr()), null);
      assert.equal((await ask(`${server.url}/v1/stream/a`, { token })).status, 200);
      await server.stop();
    });
  }));
