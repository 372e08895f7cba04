/** Signed URLs at a real server: what they give, what they do not, and how they end. */
import assert from "node:assert/strict";
import { elapse, serverForThisFile, within, withServer } from "../system/support.ts";
import { ADMIN, ask, makeToken, secretFiles } from "./support.ts";

const files = secretFiles({ admin: ADMIN });
globalThis.addEventListener("unload", () => files.remove());
const args = [
  ...["--admin-token-file", files.path("admin"), "--access-log", "text", "--log-level", "debug"],
  ...["--long-poll-timeout", "20s"],
];
const node = serverForThisFile("postgres", { args });
const stream = (path: string) => `${node.url}/v1/stream/${path}`;

interface Asked {
  readonly path: string;
  readonly operation?: string;
  readonly token?: string;
  readonly seconds?: number;
}

async function sign({ path, operation = "read", token = ADMIN, seconds = 60 }: Asked) {
  const body = { path, operation, expires_in_seconds: seconds };
  const answered = await ask(stream("__ds/sign"), { method: "POST", token, body });
  assert.equal(answered.status, 201, answered.code ?? "");
  return { url: answered.body.url as string, expiresAt: answered.body.expires_at as string };
}

const put = (path: string, token = ADMIN) =>
  ask(stream(path), { method: "PUT", token, body: "hello" });

Deno.test("a signed URL reads one stream, by any mode, and nothing else", async () => {
  await put("s/a");
  await put("s/b");
  const { url } = await sign({ path: "s/a" });
  const read = await fetch(url);
  assert.equal(await read.text(), "hello");
  assert.match(read.headers.get("cache-control")!, /private/);
  assert.equal(read.headers.get("referrer-policy"), "no-referrer");
  assert.equal((await fetch(`${url}&offset=-1`, { method: "HEAD" })).status, 200);
  assert.equal((await fetch(`${url}&offset=-1&live=long-poll`)).status, 200);
  const invalid = async (other: string, method = "GET") => {
    const answered = await ask(other, { method, ...method === "POST" ? { body: "x" } : {} });
    assert.deepEqual([answered.status, answered.code], [401, "CREDENTIALS_INVALID"], other);
    assert.equal(answered.headers.get("referrer-policy"), "no-referrer");
  };
  const query = new URL(url).search;
  for (const path of ["s/b", "s/a/b", "s", "s/%61/", "none", "__ds/tokens", "__ds/sign"]) {
    await invalid(stream(path) + query);
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) await invalid(url, method);
  await invalid(url.replace(/expires=\d+/, (text) => `expires=${Number(text.slice(8)) + 60}`));
  await invalid(url.replace(/expires=/, "expires=0"));
  await invalid(`${url}&expires=9999999999`);
  await invalid(url.replace(/key=./, "key=A"));
  await invalid(url.replace(/signature=..../, "signature=AAAA"));
  await invalid(url.replace(/&key=[^&]+/, ""));
  await invalid(`${node.url}/metrics${query}`);
  // The same path in another spelling is the same stream.
  assert.equal((await fetch(stream("s/%61") + query)).status, 200);
  // A token goes before a signature.
  assert.equal((await ask(url, { token: "nonsense" })).status, 401);
});

Deno.test("a signed URL appends, and closes, and does not read", async () => {
  await put("s/appended");
  const { url } = await sign({ path: "s/appended", operation: "append" });
  assert.equal((await ask(url, { method: "POST", body: "more" })).status, 204);
  assert.equal((await ask(url)).code, "CREDENTIALS_INVALID");
  const closed = await ask(url, { method: "POST", headers: { "stream-closed": "true" } });
  assert.equal(closed.status, 204);
});

Deno.test("nobody signs what they may not do, or for longer than they may", async () => {
  const expiresAt = new Date(Date.now() + 30_000);
  const token = await makeToken(node.url, "signer", ["read:s/**"], { expiresAt });
  const refused = (body: unknown, by?: string) =>
    ask(stream("__ds/sign"), { method: "POST", token: by, body });
  const good = { path: "s/a", operation: "read", expires_in_seconds: 3600 };
  assert.equal((await refused(good)).code, "UNAUTHENTICATED");
  assert.equal((await refused({ ...good, operation: "append" }, token)).code, "FORBIDDEN");
  assert.equal((await refused({ ...good, path: "other" }, token)).code, "FORBIDDEN");
  const { expiresAt: end } = await sign({ path: "s/a", token, seconds: 3600 });
  assert.ok(Date.parse(end) <= expiresAt.getTime(), end);
  const wrong: unknown[] = [
    ...["[]", "", "{", { ...good, path: "../a" }, { ...good, path: "__ds/x" }, {
      ...good,
      more: 1,
    }],
    ...[{ ...good, operation: "delete" }, { ...good, operation: "toString" }, { ...good, path: 1 }],
    ...[0, -1, 1.5, 1e9, "60", null].map((seconds) => ({ ...good, expires_in_seconds: seconds })),
    ...[{ ...good, expires_at: "2030-01-01T00:00:00Z" }, { path: "s/a", operation: "read" }],
    { path: "s/a", operation: "read", expires_at: "2020-01-01T00:00:00Z" },
  ];
  for (const body of wrong) {
    const answered = await refused(body, ADMIN);
    assert.deepEqual([answered.status, answered.code], [400, "INVALID_REQUEST"], String(body));
  }
});

Deno.test("a follower by a signed URL ends when that does", async () => {
  await put("s/followed");
  const { url } = await sign({ path: "s/followed", seconds: 2 });
  const sse = fetch(`${url}&offset=-1&live=sse`).then((response) => response.text());
  const polled = fetch(`${url}&offset=now&live=long-poll`);
  const [events, poll] = await within(8000, "both have ended", Promise.all([sse, polled]));
  assert.match(events, /event: control/);
  assert.equal(poll.status, 204);
  const after = await ask(url);
  assert.deepEqual([after.status, after.code], [401, "CREDENTIALS_EXPIRED"]);
  assert.equal(after.headers.get("referrer-policy"), "no-referrer");
});

Deno.test("with its key a URL ends on every node, and with the token that made it", () =>
  withServer({ database: { url: node.databaseUrl }, args, runtime: "bun" }, async (other) => {
    await put("s/revoked");
    const token = await makeToken(node.url, "revoked", ["read:s/**"]);
    const byToken = await sign({ path: "s/revoked", token });
    const byAdmin = await sign({ path: "s/revoked" });
    const elsewhere = (url: string) => url.replace(node.url, other.url);
    const listed = (await ask(stream("__ds/sign/keys"), { token: ADMIN })).body.keys as {
      id: string;
      token: string | null;
    }[];
    const idOf = (url: string) => new URL(url).searchParams.get("key")!;
    assert.equal(listed.find((key) => key.id === idOf(byToken.url))?.token, "revoked");
    assert.ok(!JSON.stringify(listed).includes("secret"));
    for (const { url } of [byToken, byAdmin]) {
      assert.equal((await fetch(elsewhere(url))).status, 200);
      const following = fetch(`${elsewhere(url)}&offset=now&live=sse`).then((r) => r.text());
      const began = performance.now();
      const target = url === byToken.url ? "__ds/tokens/revoked" : `__ds/sign/keys/${idOf(url)}`;
      const revoked = await ask(stream(target), { method: "DELETE", token: ADMIN });
      assert.equal(revoked.status, 204, revoked.code ?? "");
      assert.equal((await ask(url)).code, "CREDENTIALS_INVALID");
      await within(6000, "the follower on the other node ends", following);
      assert.ok(performance.now() - began < 6000);
      assert.equal((await ask(elsewhere(url))).code, "CREDENTIALS_INVALID");
    }
    // What was revoked signs no more: another key does.
    assert.notEqual(idOf((await sign({ path: "s/revoked" })).url), idOf(byAdmin.url));
    const made = await ask(stream("__ds/sign/keys"), { method: "POST", token: ADMIN });
    assert.equal(made.status, 201);
    assert.equal(idOf((await sign({ path: "s/revoked" })).url), made.body.id);
    for (const id of ["nothing", "a%2Fb"]) {
      const gone = await ask(stream(`__ds/sign/keys/${id}`), { method: "DELETE", token: ADMIN });
      assert.equal(gone.code, "URL_KEY_NOT_FOUND");
    }
  }));

Deno.test("keys of others are neither seen nor revoked", async () => {
  const token = await makeToken(node.url, "narrow", ["read,admin:mine/**"]);
  await sign({ path: "s/a" });
  const listed = (await ask(stream("__ds/sign/keys"), { token })).body.keys;
  assert.deepEqual(listed, []);
  const all = (await ask(stream("__ds/sign/keys"), { token: ADMIN })).body.keys as { id: string }[];
  const gone = await ask(stream(`__ds/sign/keys/${all[0]!.id}`), { method: "DELETE", token });
  assert.equal(gone.code, "URL_KEY_NOT_FOUND");
});

Deno.test("no log line holds a signature", async () => {
  const { url } = await sign({ path: "s/logged" });
  await ask(url);
  await ask(url, { method: "DELETE" });
  await ask(`${stream("s//logged")}${new URL(url).search}`);
  await elapse(300, "lines are written after answers");
  const logged = node.server.logs.join("\n");
  assert.ok(logged.includes("s/logged"));
  assert.ok(!logged.includes("signature="), logged.match(/.*signature=.*/)?.[0] ?? "");
  assert.ok(!logged.includes(new URL(url).searchParams.get("signature")!));
});
