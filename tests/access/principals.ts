/** Every kind of principal, and of what only looks like one, with what each may do. */
import assert from "node:assert/strict";
import { type Method, type Need, type Route, S } from "./routes.ts";
import { ADMIN, ask, type Issuer, makeToken, SECRET, signHmac, unsigned } from "./support.ts";

export interface Kind {
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

export async function kindsFor(
  { base, issuer, secretTaken }: {
    readonly base: string;
    readonly issuer: Issuer;
    /** Whether the server takes HS256 with `SECRET`. */
    readonly secretTaken: boolean;
  },
): Promise<Kind[]> {
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
