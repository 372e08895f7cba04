/** Servers with access control, issuers of JWTs, and requests with a token. */
import { createServer, type Server } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";

export const ADMIN = "first-token-of-a-test-0123456789abcdef";
/** Of JWTs signed with HS256. */
export const SECRET = "a secret of thirty-two bytes or more";
export const AUDIENCE = "penstock-test";
export const ISSUER = "https://issuer.example";

/** Files with secrets, deleted by `remove`. */
export function secretFiles(files: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), "penstock-access-"));
  const paths: Record<string, string> = {};
  for (const [name, text] of Object.entries(files)) {
    paths[name] = join(folder, name);
    writeFileSync(paths[name], text, { mode: 0o600 });
  }
  return {
    path: (name: string) => paths[name]!,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

interface IssuerKey {
  readonly kid: string;
  readonly pair: CryptoKeyPair;
  readonly jwk: JWK;
}

/** An issuer of JWTs that publishes its keys, until it is stopped. */
export class Issuer {
  readonly #server: Server;
  readonly #keys: readonly IssuerKey[];
  /** The requests for its keys so far. */
  fetches = 0;
  /** Of the keys, those that are published, by place. */
  published = [0];

  private constructor(server: Server, keys: readonly IssuerKey[]) {
    this.#server = server;
    this.#keys = keys;
  }

  /** Two keys, of which the first is published. */
  static async start(): Promise<Issuer> {
    const keys = await Promise.all(["first", "second"].map(async (kid) => {
      const pair = await generateKeyPair("RS256", { extractable: true }) as CryptoKeyPair;
      const jwk = { ...await exportJWK(pair.publicKey), kid, alg: "RS256", use: "sig" };
      return { kid, pair, jwk };
    }));
    const server = createServer((_, response) => {
      issuer.fetches++;
      response.setHeader("content-type", "application/json");
      const published = issuer.published.map((at) => keys[at]!.jwk);
      response.end(JSON.stringify({ keys: published }));
    });
    const issuer = new Issuer(server, keys);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return issuer;
  }

  get jwksUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks.json`;
  }

  publicPem(at = 0): Promise<string> {
    return exportSPKI(this.#keys[at]!.pair.publicKey);
  }

  /** A token that is good for ten minutes, unless the claims say otherwise. */
  sign(claims: JWTPayload, { key = 0, kid }: { key?: number; kid?: string } = {}): Promise<string> {
    const { pair, kid: own } = this.#keys[key]!;
    return new SignJWT(withDefaults(claims))
      .setProtectedHeader({ alg: "RS256", kid: kid ?? own })
      .sign(pair.privateKey);
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** What a good token holds besides. */
export function withDefaults(claims: JWTPayload): JWTPayload {
  const exp = Math.floor(Date.now() / 1000) + 600;
  return { iss: ISSUER, aud: AUDIENCE, exp, ...claims };
}

export function signHmac(claims: JWTPayload, secret: string): Promise<string> {
  return new SignJWT(withDefaults(claims))
    .setProtectedHeader({ alg: "HS256", kid: "first" })
    .sign(new TextEncoder().encode(secret));
}

/** `alg: none`, as RFC 7519 has unsecured tokens. */
export function unsigned(claims: JWTPayload): string {
  const encode = (value: unknown) =>
    new TextEncoder().encode(JSON.stringify(value)).toBase64({
      alphabet: "base64url",
      omitPadding: true,
    });
  return `${encode({ alg: "none", kid: "first" })}.${encode(withDefaults(claims))}.`;
}

export interface Answered {
  readonly status: number;
  readonly code: string | null;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** A request with a token, and what it was answered. */
export async function ask(
  url: string,
  { token, method = "GET", headers = {}, body }: {
    token?: string | undefined;
    method?: string;
    headers?: Record<string, string>;
    body?: unknown;
  } = {},
): Promise<Answered> {
  const response = await fetch(url, {
    method,
    headers: {
      ...token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...body === undefined ? {} : { "content-type": "text/plain" },
      ...headers,
    },
    ...body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) },
  });
  const text = await response.text();
  let parsed: Record<string, unknown> = {};
  try {
    parsed = JSON.parse(text);
  } catch {
    // not every answer is JSON
  }
  const code = (parsed.error as { code?: string } | undefined)?.code ?? null;
  return { status: response.status, code, headers: response.headers, body: parsed };
}

/** Makes a token over HTTP, and returns it. */
export async function makeToken(
  base: string,
  name: string,
  rules: readonly string[],
  { by = ADMIN, expiresAt, namespace }: { by?: string; expiresAt?: Date; namespace?: string } = {},
): Promise<string> {
  const answered = await ask(`${base}/v1/stream/__ds/tokens`, {
    method: "POST",
    token: by,
    body: {
      name,
      rules,
      ...namespace === undefined ? {} : { namespace },
      ...expiresAt === undefined ? {} : { expires_at: expiresAt.toISOString() },
    },
  });
  if (answered.status !== 201) throw new Error(`${answered.status} ${answered.code}`);
  return answered.body.token as string;
}
