/** The signing keys: published, shared by all nodes, rotated (sections 6.5, 12.9 and 12.10). */
import assert from "node:assert/strict";
import { createHash, createPublicKey, verify } from "node:crypto";
import { SignJWT } from "jose";
import postgres from "postgres";
import { Refused } from "../../src/errors.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { KeyRing, rotateKeys } from "../../src/subscriptions/key_ring.ts";
import { Tokens } from "../../src/subscriptions/tokens.ts";
import { freshDatabase } from "../support/postgres.ts";
import { penstock } from "../system/processes.ts";
import { serverForThisFile } from "../system/support.ts";
import { done, send, stream, Subscription, unique, withReceiver } from "./support.ts";

const node = serverForThisFile("postgres", { args: ["--webhook-allow", "localhost"] });

interface Jwk {
  readonly kid: string;
  readonly x: string;
}

async function jwks(): Promise<Jwk[]> {
  return (await send("GET", `${node.url}/v1/stream/__ds/jwks.json`)).body.keys;
}

Deno.test("jwks.json holds public keys alone, named by their thumbprints", async () => {
  const answered = await send("GET", `${node.url}/v1/stream/__ds/jwks.json`);
  assert.equal(answered.status, 200);
  assert.equal(answered.headers.get("content-type"), "application/jwk-set+json");
  assert.equal(answered.headers.get("cache-control"), "public, max-age=300");
  const [key, ...others] = answered.body.keys;
  assert.deepEqual(others, []);
  const { x } = key;
  const canonical = JSON.stringify({ crv: "Ed25519", kty: "OKP", x });
  const thumbprint = createHash("sha256").update(canonical).digest("base64url");
  assert.deepEqual(key, {
    kty: "OKP",
    crv: "Ed25519",
    kid: `ds_${thumbprint}`,
    use: "sig",
    alg: "EdDSA",
    x,
  });
});

Deno.test("keys rotate signs with a new key, publishes the old, and honours its tokens", async () => {
  await withReceiver([({ response }) => void response.end(), done], async (receiver) => {
    const [old] = await jwks();
    const folder = unique("events");
    const subscription = new Subscription(node.url);
    await subscription.create({
      type: "webhook",
      pattern: `${folder}/*`,
      webhook: { url: receiver.url },
    });
    await stream(node.url, `${folder}/a`, 1);
    const first = await receiver.next();
    assert.ok(first.signature.includes(`kid=${old!.kid},`));
    const rotated = await penstock(["keys", "rotate", "--database-url", node.databaseUrl]);
    assert.equal(rotated.code, 0, rotated.stderr);
    const published = await jwks();
    assert.equal(published.length, 2);
    assert.equal(published[1]!.kid, old!.kid);
    assert.notEqual(published[0]!.kid, old!.kid);
    assert.ok(rotated.stdout.includes(published[0]!.kid), rotated.stdout);
    assert.doesNotMatch(rotated.stdout, /"d":|"k":/);
    // The token was signed with the key that has gone out of use.
    assert.equal((await subscription.callback(first.wake)).status, 200);
    // Whichever key signs now, for a node may not have heard yet, it is published.
    await stream(node.url, `${folder}/b`, 1);
    const { signature, rawBody } = await receiver.next();
    const [, t, kid, s] = /^t=(\d+),kid=([^,]+),ed25519=(.+)$/.exec(signature)!;
    const key = published.find((key) => key.kid === kid);
    assert.ok(key);
    const publicKey = createPublicKey({ key: key as unknown as JsonWebKey, format: "jwk" });
    const signed = new TextEncoder().encode(`${t}.${rawBody}`);
    assert.ok(verify(null, signed, publicKey, Buffer.from(s!, "base64url")));
  });
});

Deno.test("many nodes that start at once have one key of each purpose", async () => {
  const fresh = await freshDatabase();
  const database = await openPostgres({ url: fresh.url, connections: 6, timeoutMs: 20_000 });
  const sql = postgres(fresh.url, { max: 1 });
  try {
    await migrate(database);
    const rings = Array.from({ length: 6 }, () => new KeyRing(database));
    await Promise.all(rings.map((ring) => ring.start()));
    const kids = await Promise.all(rings.map(async (ring) => (await ring.current("webhook")).kid));
    assert.equal(new Set(kids).size, 1);
    assert.equal((await sql`select from penstock.keys`).length, 2);

    // Retired keys: published for the replay window and some more, then no longer.
    await rotateKeys(database);
    const published = async () => (await rings[0]!.published()).length;
    assert.equal(await published(), 2);
    await sql`update penstock.keys set retired_at = now() - interval '29 minutes'
      where retired_at is not null`;
    assert.equal(await published(), 2);
    await sql`update penstock.keys set retired_at = now() - interval '31 minutes'
      where retired_at is not null`;
    assert.equal(await published(), 1);
  } finally {
    await sql.end();
    await database.close();
    await fresh.drop();
  }
});

Deno.test("a token is good for its subscription, until it expires", async () => {
  const fresh = await freshDatabase();
  const database = await openPostgres({ url: fresh.url, connections: 2, timeoutMs: 20_000 });
  try {
    await migrate(database);
    const keys = new KeyRing(database);
    await keys.start();
    const tokens = new Tokens(keys);
    const refusal = async (token: string, subscription: string) =>
      await tokens.verify(token, subscription).then(() => "ok", (error) => {
        assert.ok(error instanceof Refused);
        return error.refusal.kind;
      });
    const token = await tokens.issue("a", 7);
    assert.deepEqual(await tokens.verify(token, "a"), { generation: 7, name: "a" });
    const within = await tokens.issue("acme/a", 7);
    assert.deepEqual(await tokens.verify(within, "a"), { generation: 7, name: "acme/a" });
    assert.equal(await refusal(token, "b"), "token_invalid");
    assert.equal(await refusal("", "a"), "token_invalid");
    const { kid, jwk } = await keys.current("token");
    const old = await new SignJWT({ gen: 7 }).setProtectedHeader({ alg: "HS256", kid })
      .setSubject("a").setExpirationTime("1 second ago").sign(Buffer.from(jwk.k!, "base64url"));
    assert.equal(await refusal(old, "a"), "token_expired");
  } finally {
    await database.close();
    await fresh.drop();
  }
});
