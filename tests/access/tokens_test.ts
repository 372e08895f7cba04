/** Access tokens at real servers: made, used, narrowed, expired, revoked on every node. */
import assert from "node:assert/strict";
import { eventually, serverForThisFile, withServer } from "../system/support.ts";
import { ADMIN, ask, makeToken, secretFiles } from "./support.ts";

const files = secretFiles({ admin: `${ADMIN}\n` });
const args = ["--admin-token-file", files.path("admin"), "--long-poll-timeout", "20s"];
const node = serverForThisFile("postgres", { args });
const stream = (path: string) => `${node.url}/v1/stream/${path}`;
const tokensUrl = () => stream("__ds/tokens");
/** Revocations are known everywhere by then. */
const REVOKED_MS = 5000;

Deno.test("without a token nothing is served but health checks, preflights and the webhooks' keys", async () => {
  for (const path of ["a", "__ds/tokens", "__ds/subscriptions/a", "__ds/nothing", "a//b"]) {
    const answered = await ask(stream(path));
    assert.deepEqual([answered.status, answered.code], [401, "UNAUTHENTICATED"], path);
    assert.equal(answered.headers.get("www-authenticate"), 'Bearer realm="penstock"');
  }
  assert.equal((await ask(`${node.url}/metrics`)).status, 401);
  assert.equal((await ask(`${node.url}/health`)).status, 200);
  assert.equal((await ask(stream("__ds/jwks.json"))).status, 200);
  assert.equal((await ask(stream("a"), { method: "OPTIONS" })).status, 204);
});

Deno.test("a token may do what its rules say, and a stream that is not there is refused the same", async () => {
  const token = await makeToken(node.url, "rules", ["create,read,append:rules/*", "read:other"]);
  const put = await ask(stream("rules/a"), { method: "PUT", token, body: "x" });
  assert.equal(put.status, 201);
  assert.equal((await ask(stream("rules/a"), { method: "POST", token, body: "y" })).status, 204);
  const read = await ask(stream("rules/a"), { token });
  assert.equal(read.status, 200);
  assert.match(read.headers.get("cache-control")!, /^private/);
  assert.match(read.headers.get("vary")!, /Authorization/);
  const there = await ask(stream("rules/a"), { method: "DELETE", token });
  const notThere = await ask(stream("rules/none"), { method: "DELETE", token });
  assert.deepEqual([there.status, there.code, there.body], [403, "FORBIDDEN", notThere.body]);
  assert.match(
    there.headers.get("www-authenticate")!,
    /error="insufficient_scope", scope="delete"/,
  );
  const fork = { "stream-forked-from": "/v1/stream/rules/a" };
  assert.equal((await ask(stream("rules/b"), { method: "PUT", token, headers: fork })).status, 201);
  const secret = { "stream-forked-from": "/v1/stream/secret" };
  const forbidden = await ask(stream("rules/c"), { method: "PUT", token, headers: secret });
  assert.deepEqual([forbidden.status, forbidden.code], [403, "FORBIDDEN"]);
});

Deno.test("only the hash of a token is stored, and no log line holds one", async () => {
  const token = await makeToken(node.url, "hashed", ["read:hashed"]);
  await ask(stream("hashed"), { token });
  await ask(stream("elsewhere"), { token });
  const refused = await node.server.logged((line) => line.reason === "forbidden");
  assert.deepEqual([refused.event, refused.address], ["access_refused", "127.0.0.1"]);
  assert.match(String(refused.principal), /^token /);
  const logged = node.server.logs.join("\n");
  assert.ok(logged.includes("access_token_created"));
  for (const secret of [token, token.slice(4), ADMIN]) assert.ok(!logged.includes(secret));
  const listed = await ask(tokensUrl(), { token: ADMIN });
  assert.ok(!JSON.stringify(listed.body).includes(token.slice(4)));
  const listing = listed.body.tokens as { name: string; rules: string[] }[];
  assert.deepEqual(listing.find(({ name }) => name === "hashed")?.rules, ["read:hashed"]);
});

Deno.test("a child is no wider than its parent, does not outlive it, and goes with it", async () => {
  const soon = new Date(Date.now() + 60_000);
  const parent = await makeToken(node.url, "parent", ["read,admin:family/**"], { expiresAt: soon });
  const child = await makeToken(node.url, "child", ["read:family/a"], { by: parent });
  assert.equal((await ask(stream("family/a"), { token: child })).status, 404);
  for (const rule of ["read:**", "append:family/a", "read:family/a/**/b"]) {
    const made = ask(tokensUrl(), {
      method: "POST",
      token: parent,
      body: { name: "wide", rules: [rule] },
    });
    assert.equal((await made).status, rule.startsWith("read:family") ? 201 : 403, rule);
  }
  const listed = (await ask(tokensUrl(), { token: parent })).body.tokens as {
    name: string;
    expires_at: string;
  }[];
  assert.deepEqual(listed.map(({ name }) => name), ["child", "parent", "wide"]);
  assert.ok(listed.every((token) => Date.parse(token.expires_at) <= soon.getTime()));
  // What it could not have made, it does not see.
  assert.equal(
    (await ask(`${tokensUrl()}/hashed`, { method: "DELETE", token: parent })).status,
    404,
  );
  assert.equal(
    (await ask(`${tokensUrl()}/parent`, { method: "DELETE", token: ADMIN })).status,
    204,
  );
  const gone = await ask(stream("family/a"), { token: child });
  assert.deepEqual([gone.status, gone.code], [401, "CREDENTIALS_INVALID"]);
  assert.match(gone.headers.get("www-authenticate")!, /error="invalid_token"/);
});

Deno.test("what is no token, or no request for one, is refused", async () => {
  const post = (body: unknown) => ask(tokensUrl(), { method: "POST", token: ADMIN, body });
  const good = { name: "good", rules: ["read:a"] };
  const wrong: unknown[] = [
    "[]",
    { ...good, prefix: "acme/" },
    { ...good, name: "../x" },
    { ...good, rules: [] },
    { ...good, rules: ["read"] },
    { ...good, rules: Array(65).fill("read:a") },
    { ...good, expires_at: "tomorrow" },
  ];
  for (const body of wrong) assert.equal((await post(body)).code, "INVALID_REQUEST");
  assert.equal((await post(good)).status, 201);
  assert.equal((await post(good)).code, "ACCESS_TOKEN_EXISTS");
  const past = await post({ ...good, name: "past", expires_at: "2020-01-01T00:00:00Z" });
  const expired = await ask(stream("a"), { token: past.body.token as string });
  assert.deepEqual([expired.status, expired.code], [401, "CREDENTIALS_EXPIRED"]);
  // An expired token gives up its name.
  assert.equal((await post({ ...good, name: "past" })).status, 201);
  for (const token of ["x", `pst_${"A".repeat(43)}`, `${ADMIN}x`, "a.b.c", "é"]) {
    const answered = await ask(stream("a"), {
      headers: { authorization: `Bearer ${encodeURI(token)}` },
    });
    assert.deepEqual([answered.status, answered.code], [401, "CREDENTIALS_INVALID"], token);
  }
  const basic = await ask(stream("a"), { headers: { authorization: "Basic dTpw" } });
  assert.equal(basic.code, "CREDENTIALS_INVALID");
});

Deno.test("a subscription is made only over what its maker may read and append to", async () => {
  const token = await makeToken(node.url, "subscriber", [
    "subscribe:mine",
    "read:mine/**",
    "append:wakes",
  ]);
  await ask(stream("wakes"), {
    method: "PUT",
    token: ADMIN,
    headers: { "content-type": "application/json" },
  });
  const put = (id: string, configuration: Record<string, unknown>) =>
    ask(stream(`__ds/subscriptions/${id}`), {
      method: "PUT",
      token,
      body: { type: "pull-wake", wake_stream: "wakes", ...configuration },
    });
  assert.equal((await put("mine", { pattern: "mine/*" })).status, 201);
  assert.equal((await put("theirs", { pattern: "mine/*" })).code, "FORBIDDEN");
  assert.equal((await put("mine", { pattern: "**" })).code, "FORBIDDEN");
  assert.equal((await put("mine", { streams: ["other"] })).code, "FORBIDDEN");
  assert.equal((await put("mine", { pattern: "mine/*", wake_stream: "other" })).code, "FORBIDDEN");
  const add = await ask(stream("__ds/subscriptions/mine/streams"), {
    method: "POST",
    token,
    body: { streams: ["other"] },
  });
  assert.equal(add.code, "FORBIDDEN");
  // The token of a wake goes on as the protocol says; without one, nobody learns what there is.
  for (const id of ["mine", "none"]) {
    const ack = await ask(stream(`__ds/subscriptions/${id}/ack`), {
      method: "POST",
      body: { wake_id: "x", generation: 1 },
    });
    assert.deepEqual([ack.status, ack.code], [401, "TOKEN_INVALID"], id);
    const forged = await ask(stream(`__ds/subscriptions/${id}/ack`), {
      method: "POST",
      token,
      body: { wake_id: "x", generation: 1 },
    });
    assert.deepEqual([forged.status, forged.code], [401, "TOKEN_INVALID"], id);
  }
});

Deno.test("a token revoked on one of three nodes ends on all within five seconds, its followers too", () =>
  withServer(
    { database: { url: node.databaseUrl }, args, runtime: "bun" },
    (second) =>
      withServer({ database: { url: node.databaseUrl }, args }, async (third) => {
        const token = await makeToken(node.url, "followed", ["create,read:followed"]);
        await ask(stream("followed"), { method: "PUT", token, body: "x" });
        const headers = { authorization: `Bearer ${token}` };
        const others = await Promise.all([second, third].map(async ({ url: base }) => {
          const url = `${base}/v1/stream/followed`;
          assert.equal((await ask(url, { token })).status, 200);
          const sse = await fetch(`${url}?offset=-1&live=sse`, { headers });
          return { url, sse, polled: fetch(`${url}?offset=now&live=long-poll`, { headers }) };
        }));
        const began = performance.now();
        const revoked = await ask(`${tokensUrl()}/followed`, { method: "DELETE", token: ADMIN });
        assert.equal(revoked.status, 204);
        assert.equal(
          (await ask(stream("followed"), { token })).status,
          401,
          "at once on this node",
        );
        const took = await Promise.all(others.map(async ({ url, sse, polled }) => {
          const cut = sse.text().then((text) => {
            assert.match(text, /event: control\ndata:\{"streamNextOffset":"[^\n]+\n\n$/);
            return performance.now() - began;
          });
          const answered = polled.then(({ status }) => {
            assert.equal(status, 204);
            return performance.now() - began;
          });
          await eventually(
            REVOKED_MS,
            "the other node refuses it",
            async () => (await ask(url, { token })).status === 401 || undefined,
          );
          return { refused: performance.now() - began, cut: await cut, answered: await answered };
        }));
        for (const { refused, cut, answered } of took) {
          const shown = [refused, cut, answered].map((ms) => `${Math.round(ms)} ms`);
          console.log(
            `  refused after ${shown[0]}, SSE cut after ${shown[1]}, long-poll ${shown[2]}`,
          );
          assert.ok(Math.max(refused, cut, answered) < REVOKED_MS, shown.join(", "));
        }
      }),
  ));

Deno.test("followers end when their token expires", async () => {
  const expiresAt = new Date(Date.now() + 3000);
  const token = await makeToken(node.url, "short", ["create,read:short"], { expiresAt });
  await ask(stream("short"), { method: "PUT", token, body: "x" });
  const headers = { authorization: `Bearer ${token}` };
  const sse = await fetch(`${stream("short")}?offset=-1&live=sse`, { headers });
  const polled = await fetch(`${stream("short")}?offset=now&live=long-poll`, { headers });
  assert.equal(polled.status, 204);
  assert.match(await sse.text(), /event: control\n[^\n]+\n\n$/);
  assert.ok(Date.now() >= expiresAt.getTime() && Date.now() < expiresAt.getTime() + 5000);
  const late = await ask(stream("short"), { token });
  assert.deepEqual([late.status, late.code], [401, "CREDENTIALS_EXPIRED"]);
});

globalThis.addEventListener("unload", () => files.remove());
