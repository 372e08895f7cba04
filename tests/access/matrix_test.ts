/**
 * Every route and method against every kind of principal, at a real server of each runtime: generated,
 * not sampled. The expected answer follows from the route's operation and the principal's kind.
 */
import assert from "node:assert/strict";
import { eventually, serverForThisFile } from "../system/support.ts";
import { type Kind, kindsFor } from "./principals.ts";
import { type Method, METHODS, type Route, ROUTES, S } from "./routes.ts";
import { ADMIN, ask, AUDIENCE, ISSUER, Issuer, SECRET, secretFiles } from "./support.ts";

const issuer = await Issuer.start();
/** Its keys were never fetched: it is down from the start. */
const silent = await Issuer.start();
const silentUrl = silent.jwksUrl;
const unseen = await silent.sign({ penstock: "read:**" });
await silent.stop();

const files = secretFiles({ admin: ADMIN, secret: SECRET, pem: await issuer.publicPem() });
globalThis.addEventListener("unload", () => files.remove());
Deno.test.afterAll(() => issuer.stop());

const shared = ["--admin-token-file", files.path("admin"), "--jwt-audience", AUDIENCE];
const jwtArgs = [...shared, "--jwt-issuer", ISSUER];
const SERVERS = {
  "deno, postgres, JWKS": serverForThisFile("postgres", {
    args: [...jwtArgs, "--jwt-jwks-url", issuer.jwksUrl],
  }),
  "bun, embedded, JWKS and secret": serverForThisFile("embedded", {
    runtime: "bun",
    args: [...jwtArgs, "--jwt-jwks-url", issuer.jwksUrl, "--jwt-secret-file", files.path("secret")],
  }),
  "deno, embedded, PEM": serverForThisFile("embedded", {
    args: [...jwtArgs, "--jwt-public-key-file", files.path("pem")],
  }),
};
const withoutKeys = serverForThisFile("embedded", {
  args: [...jwtArgs, "--jwt-jwks-url", silentUrl],
});

/** RFC 6750: a request without credentials is told no error. */
const ERRORS: Readonly<Record<string, string | undefined>> = {
  UNAUTHENTICATED: undefined,
  CREDENTIALS_INVALID: "invalid_token",
  CREDENTIALS_EXPIRED: "invalid_token",
  FORBIDDEN: "insufficient_scope",
};

async function check(
  { base, bun }: { readonly base: string; readonly bun: boolean },
  route: Route,
  method: Method,
  kind: Kind,
): Promise<void> {
  const need = route.need(method);
  const what = `${kind.name}: ${method} ${route.path}`;
  const separator = route.path.includes("?") ? "&" : "?";
  const query = kind.query === undefined ? "" : separator + kind.query;
  const answered = await ask(base + route.path + query, {
    method,
    token: kind.token,
    ...method === "POST" || method === "PUT" ? { body: "{}" } : {},
  });
  if (bun && route.onBun !== undefined) {
    assert.equal(answered.status, route.onBun, what);
    return;
  }
  const expected = need === "public"
    ? null
    : kind.signedFor?.(route, method)
    ? null
    : kind.refused ?? (kind.allows!(need) ? null : "FORBIDDEN");
  const status = expected === "FORBIDDEN" ? 403 : 401;
  if (expected !== null) {
    assert.equal(answered.status, status, what);
    if (method !== "HEAD") assert.equal(answered.code, expected, what);
    const challenge = answered.headers.get("www-authenticate")!;
    assert.match(challenge, /^Bearer realm="penstock"/, what);
    assert.equal(/error="(\w+)"/.exec(challenge)?.[1], ERRORS[expected], what);
    assert.equal(answered.headers.get("cache-control"), "no-store", what);
    return;
  }
  if (kind.seesNothing === true && need === "read") {
    assert.ok([404, 400].includes(answered.status), `${what}: ${answered.status}`);
  }
  // Past access control; what is asked of a subscription's wake has a token of its own.
  assert.ok(
    !((answered.code ?? "") in ERRORS) || route.path.includes("/subscriptions/"),
    `${what}: ${answered.code}`,
  );
  if (method === "HEAD" && need !== "public") {
    assert.ok(answered.status !== 401 && answered.status !== 403, what);
  }
  if (answered.status === 200 && need === "read") {
    assert.match(answered.headers.get("cache-control")!, /^(private|no-store)/, what);
  }
}

for (const [name, server] of Object.entries(SERVERS)) {
  Deno.test(`every route, method and kind of principal: ${name}`, async () => {
    const secretTaken = name.includes("secret");
    const kinds = await kindsFor({ base: server.url, issuer, secretTaken });
    let count = 0;
    // What refuses comes first, so that nobody who may delete has been there.
    for (const kind of kinds) {
      await ask(`${server.url}${S}/mine/here`, { method: "PUT", token: ADMIN, body: "x" });
      for (const route of ROUTES) {
        for (const method of METHODS) {
          await check({ base: server.url, bun: name.startsWith("bun") }, route, method, kind);
          count++;
        }
      }
    }
    assert.equal(count, kinds.length * ROUTES.length * METHODS.length);
  });
}

Deno.test("keys that were never fetched are 503, and the other tokens go on", async () => {
  const answered = await ask(`${withoutKeys.url}${S}/a`, { token: unseen });
  assert.deepEqual([answered.status, answered.code], [503, "KEYS_UNAVAILABLE"]);
  assert.equal(answered.headers.get("retry-after"), "1");
  assert.equal((await ask(`${withoutKeys.url}${S}/a`, { token: ADMIN })).status, 404);
});

Deno.test("a new key of the issuer is fetched, and the known ones count while it is down", async () => {
  const base = SERVERS["deno, postgres, JWKS"].url;
  issuer.published = [0, 1];
  // The last fetch for an unknown key is some seconds ago: the server waits ten before the next.
  const rotated = await issuer.sign({ penstock: "read:**" }, { key: 1 });

  await eventually(
    15_000,
    "the new key is known",
    async () => (await ask(`${base}${S}/nothing`, { token: rotated })).status === 404 || undefined,
  );
  const fetches = issuer.fetches;
  await issuer.stop();
  for (const key of [0, 1]) {
    const fresh = await issuer.sign({ penstock: "read:**", sub: `down ${key}` }, { key });
    assert.equal((await ask(`${base}${S}/nothing`, { token: fresh })).status, 404);
  }
  assert.equal(issuer.fetches, fetches);
});
