/**
 * Every route and method against every kind of principal, at a real server of each runtime: generated,
 * not sampled. The expected answer follows from the route's operation and the principal's kind, and is
 * written down here a second time, apart from `src/access/requirement.ts`.
 */
import assert from "node:assert/strict";
import { eventually, serverForThisFile } from "../system/support.ts";
import type { Operation } from "../../src/access/rules.ts";
import {
  ADMIN,
  ask,
  AUDIENCE,
  ISSUER,
  Issuer,
  makeToken,
  secretFiles,
  signHmac,
  unsigned,
} from "./support.ts";

const issuer = await Issuer.start();
/** Its keys were never fetched: it is down from the start. */
const silent = await Issuer.start();
const silentUrl = silent.jwksUrl;
const unseen = await silent.sign({ penstock: "read:**" });
await silent.stop();

const SECRET = "a secret of thirty-two bytes or more";
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

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] as const;
type Method = typeof METHODS[number];

/**
 * What a request needs: an operation; nothing; credentials, whatever their rules; `admin` outside of
 * every namespace; or `list` on `mine/here`.
 */
type Need = Operation | "public" | "any" | "server" | "list of mine";

interface Route {
  readonly path: string;
  readonly need: (method: Method) => Need;
  /** What Bun answers without asking who it is: its router has rewritten the path, or knows none. */
  readonly onBun?: number;
}

const STREAM: Partial<Record<Method, Need>> = {
  GET: "read",
  HEAD: "read",
  POST: "append",
  PUT: "create",
  DELETE: "delete",
  OPTIONS: "public",
};
const ofStream = (method: Method): Need => STREAM[method] ?? "any";
const always = (need: Need) => (method: Method): Need => method === "OPTIONS" ? "public" : need;
const wake = (method: Method): Need =>
  method === "POST" || method === "OPTIONS" ? "public" : "subscribe";
/** The sum is of what may be listed all of. */
const usage = (method: Method): Need =>
  method === "GET" || method === "HEAD" ? "list of mine" : always("list")(method);

const S = "/v1/stream";
const ROUTES: readonly Route[] = [
  { path: `${S}/mine/here`, need: ofStream },
  { path: `${S}/mine/not-here`, need: ofStream },
  { path: `${S}/mine/deep/er`, need: ofStream },
  { path: `${S}/mine/here?offset=-1`, need: ofStream },
  { path: `${S}/mine/not-here?offset=-1&live=sse`, need: ofStream },
  { path: `${S}/mine/not-here?offset=now&live=long-poll`, need: ofStream },
  { path: `${S}/mine//empty`, need: always("any"), onBun: 400 },
  { path: `${S}/mine/%2fslash`, need: always("any") },
  { path: `${S}/__ds`, need: always("admin") },
  { path: `${S}/__ds/unknown`, need: always("admin") },
  {
    path: `${S}/__ds/streams/mine/not-here/trim`,
    need: (method) => method === "POST" ? "delete" : always("list of mine")(method),
  },
  { path: `${S}/__ds/node`, need: always("server") },
  { path: `${S}/__ds/tokens`, need: always("admin") },
  { path: `${S}/__ds/tokens/none`, need: always("admin") },
  { path: `${S}/__ds/sign`, need: always("any") },
  { path: `${S}/__ds/sign/keys`, need: always("admin") },
  { path: `${S}/__ds/sign/keys/none`, need: always("admin") },
  { path: `${S}/__ds/jwks.json`, need: () => "public" },
  { path: `${S}/__ds/streams`, need: always("list") },
  { path: `${S}/__ds/streams?prefix=mine/`, need: always("list") },
  { path: `${S}/__ds/streams/mine/here`, need: always("list of mine") },
  { path: `${S}/__ds/streams/`, need: always("any"), onBun: 400 },
  { path: `${S}/__ds/usage?prefix=mine/`, need: usage },
  { path: `${S}/__ds/usage/more`, need: always("admin") },
  { path: `${S}/__ds/subscriptions`, need: always("list") },
  { path: `${S}/__ds/subscriptions/mine`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/streams`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/streams/mine/here`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/claim`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/other`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/callback`, need: wake },
  { path: `${S}/__ds/subscriptions/mine/ack`, need: wake },
  { path: `${S}/__ds/subscriptions/mine/release`, need: wake },
  { path: "/health", need: () => "public" },
  { path: "/live", need: () => "public" },
  { path: "/ready", need: () => "public" },
  { path: "/", need: () => "public" },
  { path: "/metrics", need: () => "server" },
  { path: "/v1/streams", need: () => "server", onBun: 404 },
];

interface Kind {
  readonly name: string;
  readonly token: string | undefined;
  /** The code that every request gets which needs anything; null: its rules decide. */
  readonly refused: string | null;
  readonly allows?: (need: Need) => boolean;
  /** The query of a signed URL. */
  readonly query?: string;
  /** Where that counts: elsewhere every request gets `refused`. */
  readonly signedFor?: (route: Route, method: Method) => boolean;
  /** For it there is no stream, whatever its rules. */
  readonly seesNothing?: true;
}

const minutes = (count: number) => Math.floor(Date.now() / 1000) + count * 60;
const ALL = ["read,append,create,delete,subscribe,list,admin:**"];

async function kindsFor(base: string, secretTaken: boolean): Promise<Kind[]> {
  const revoked = await makeToken(base, "revoked", ALL);
  await ask(`${base}${S}/__ds/tokens/revoked`, { method: "DELETE", token: ADMIN });
  const good = await issuer.sign({ penstock: ALL });
  const [head, , signature] = good.split(".");
  const payload = (await issuer.sign({ penstock: ALL, sub: "other" })).split(".")[1];
  const bad = (name: string, token: string | undefined, code = "CREDENTIALS_INVALID"): Kind => ({
    name,
    token,
    refused: code,
  });
  const may = (name: string, token: string, allows: (need: Need) => boolean): Kind => ({
    name,
    token,
    refused: null,
    allows,
  });
  const sign = async (path: string, operation: string, expires = 3600, by = ADMIN) => {
    const answered = await ask(`${base}${S}/__ds/sign`, {
      method: "POST",
      token: by,
      body: { path, operation, expires_in_seconds: expires },
    });
    assert.equal(answered.status, 201);
    return new URL(answered.body.url as string).search.slice(1);
  };
  const signed = (name: string, query: string, signedFor: Kind["signedFor"]): Kind => ({
    ...bad(name, undefined),
    query,
    signedFor: signedFor!,
  });
  const never = () => false;
  const here = ({ path }: Route) => path.split("?")[0] === `${S}/mine/here`;
  const withRevokedKey = await sign("mine/here", "read");
  const revokedKey = new URLSearchParams(withRevokedKey).get("key");
  const keyGone = await ask(`${base}${S}/__ds/sign/keys/${revokedKey}`, {
    method: "DELETE",
    token: ADMIN,
  });
  assert.equal(keyGone.status, 204);
  const tenant = await ask(`${base}${S}/__ds/tokens`, {
    method: "POST",
    token: ADMIN,
    body: { name: "tenant", namespace: "tenant", rules: ALL },
  });
  const tenantToken = tenant.body.token as string;
  const reads = await sign("mine/here", "read");
  const only = (...needs: Need[]) => (need: Need) => needs.includes(need);
  return [
    bad("none", undefined, "UNAUTHENTICATED"),
    bad("unknown token", `pst_${"A".repeat(43)}`),
    bad("revoked token", revoked),
    bad(
      "expired token",
      await makeToken(base, "old", ALL, { expiresAt: new Date(1000) }),
      "CREDENTIALS_EXPIRED",
    ),
    bad(
      "expired JWT",
      await issuer.sign({ penstock: ALL, exp: minutes(-1) }),
      "CREDENTIALS_EXPIRED",
    ),
    bad("JWT that is not valid yet", await issuer.sign({ penstock: ALL, nbf: minutes(5) })),
    bad("JWT without exp", await issuer.sign({ penstock: ALL, exp: undefined! })),
    bad("signature of another payload", `${head}.${payload}.${signature}`),
    bad("signed by a key that is not published", await issuer.sign({ penstock: ALL }, { key: 1 })),
    bad(
      "signed by another key under a published kid",
      await issuer.sign({ penstock: ALL }, { key: 1, kid: "first" }),
    ),
    bad("alg none", unsigned({ penstock: ALL })),
    bad("HS256 with the public key", await signHmac({ penstock: ALL }, await issuer.publicPem())),
    bad("wrong audience", await issuer.sign({ penstock: ALL, aud: "other" })),
    bad("wrong issuer", await issuer.sign({ penstock: ALL, iss: "other" })),
    bad("a claim that holds no rules", await issuer.sign({ penstock: { read: "**" } })),
    bad("a claim with a wrong rule", await issuer.sign({ penstock: ["write:**"] })),
    secretTaken
      ? may("HS256 with the secret", await signHmac({ penstock: ALL }, SECRET), () => true)
      : bad(
        "HS256 with a secret that the server has not",
        await signHmac({ penstock: ALL }, SECRET),
      ),
    may("JWT with everything", good, () => true),
    {
      ...may("token of another namespace", tenantToken, (need) => need !== "server"),
      seesNothing: true,
    },
    {
      ...may(
        "JWT of another namespace",
        await issuer.sign({ penstock: ALL, penstock_namespace: "tenant2" }),
        (need) => need !== "server",
      ),
      seesNothing: true,
    },
    signed(
      "signed URL that reads",
      reads,
      (route, method) => here(route) && (method === "GET" || method === "HEAD"),
    ),
    signed(
      "signed URL that appends",
      await sign("mine/here", "append"),
      (route, method) => here(route) && method === "POST",
    ),
    signed("signed URL of another path", await sign("mine/elsewhere", "read"), never),
    {
      ...signed(
        "signed URL of another namespace",
        await sign("mine/here", "read", 3600, tenantToken),
        (route, method) => here(route) && (method === "GET" || method === "HEAD"),
      ),
      seesNothing: true,
    },
    signed("signed URL with a revoked key", withRevokedKey, never),
    signed("signed URL with another expiry", reads.replace("expires=", "expires=1"), never),
    signed("signed URL with a parameter twice", `${reads}&expires=9999999999`, never),
    signed("signed URL without its key", reads.replace(/&key=[^&]+/, ""), never),
    may("JWT without rules", await issuer.sign({}), only("any")),
    may(
      "JWT that reads, as one text",
      await issuer.sign({ penstock: "read:mine/** list:x" }),
      only("any", "read", "list"),
    ),
    may(
      "token that reads elsewhere",
      await makeToken(base, "elsewhere", ["read,append:other/**"]),
      only("any"),
    ),
    may(
      "token that appends",
      await makeToken(base, "appends", ["append:mine/**"]),
      only("any", "append"),
    ),
    may(
      "token that lists",
      await makeToken(base, "lists", ["list:mine/**"]),
      only("any", "list", "list of mine"),
    ),
    may(
      "token that subscribes",
      await makeToken(base, "subscribes", ["subscribe:mine"]),
      only("any", "subscribe"),
    ),
    may(
      "token that subscribes elsewhere",
      await makeToken(base, "subscribes2", ["subscribe:other"]),
      only("any"),
    ),
    may(
      "token of an admin of nothing else",
      await makeToken(base, "admin", ["admin:x"]),
      only("any", "admin", "server"),
    ),
  ];
}

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
    const kinds = await kindsFor(server.url, name.includes("secret"));
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
