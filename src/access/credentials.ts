/** From what a request brings to its holder: verified once, and remembered until that ends. */
import { LRUCache } from "lru-cache";
import { Refused } from "../errors.ts";
import type { DatabaseClock } from "../storage/database_clock.ts";
import { type AccessTokens, type FoundToken, hashOfToken, isTokenForm } from "./access_tokens.ts";
import type { JwtVerifier } from "./jwt_verifier.ts";
import { NO_NAMESPACE } from "./namespaces.ts";
import { Principal, type PrincipalOptions } from "./principal.ts";
import { type Rule, ruleForPath } from "./rules.ts";
import { invalidSignature, isSignedBy, type SignedRequest } from "./signed_urls.ts";
import type { UrlKey, UrlKeys } from "./url_keys.ts";

const MOST_REMEMBERED = 10_000;
/** A JWT is verified again after this, for its key may have been withdrawn. Milliseconds. */
const JWT_REMEMBERED_MS = 5 * 60_000;
/** A stored token is remembered only while the last poll is no older: a revocation is known by then. */
const POLL_GOOD_MS = 4000;
const LONGEST_HEADER = 8192 + 16;

interface Remembered {
  readonly principal: Principal;
  /** As `performance.now()`. */
  readonly until: number;
}

export interface CredentialsParts {
  readonly tokens: AccessTokens;
  readonly urlKeys: UrlKeys;
  readonly jwt: JwtVerifier | null;
  readonly clock: DatabaseClock;
  readonly adminToken: string | null;
  readonly adminRules: readonly Rule[];
  /** What every holder outside of a namespace may do besides. */
  readonly anonymous: readonly Rule[];
}

export class Credentials {
  readonly #parts: CredentialsParts;
  readonly #adminHash: string | null;
  readonly #remembered: LRUCache<string, Remembered>;
  /** Of stored tokens, those that are remembered no longer, but may still have followers. */
  readonly #evicted = new Set<Principal>();
  readonly #verifying = new Map<string, Promise<Principal>>();
  /** The newest revision of the tokens that a poll has found, and the one last acted on. */
  #revision = 0;
  #checked = -1;
  #polledAt = -Infinity;

  constructor(parts: CredentialsParts) {
    this.#parts = parts;
    this.#adminHash = parts.adminToken === null ? null : hashOfToken(parts.adminToken);
    this.#remembered = new LRUCache({
      max: MOST_REMEMBERED,
      dispose: ({ principal }) => {
        if (principal.revocable) this.#evicted.add(principal);
      },
    });
  }

  /**
   * The holder if this was verified before and still counts.
   * @param key the Authorization header, or `keyOfSigned`
   */
  remembered(key: string): Principal | null {
    const found = this.#remembered.get(key);
    if (found === undefined || found.principal.ended) return null;
    const now = performance.now();
    const stale = found.principal.revocable && now - this.#polledAt > POLL_GOOD_MS;
    return stale || now >= found.until ? null : found.principal;
  }

  /**
   * @param header the Authorization header
   * @throws Refused `credentials_invalid`, `credentials_expired`, `keys_unavailable`, `overloaded`
   */
  async verify(header: string): Promise<Principal> {
    if (header.length > LONGEST_HEADER) throw invalidCredentials("the token is too long");
    const match = /^Bearer +([\x21-\x7e]+) *$/i.exec(header);
    if (match === null) throw invalidCredentials("the scheme is Authorization: Bearer <token>");
    let verifying = this.#verifying.get(header);
    if (verifying === undefined) {
      verifying = this.#verify(header, match[1]!)
        .finally(() => this.#verifying.delete(header));
      this.#verifying.set(header, verifying);
    }
    return await verifying;
  }

  /**
   * The holder of a signed URL, which may do what the URL is for.
   * @throws Refused `credentials_invalid`, `credentials_expired`, `overloaded`
   */
  async verifySigned(request: SignedRequest): Promise<Principal> {
    let key: UrlKey | null;
    do {
      key = await this.#parts.urlKeys.find(request.keyId);
      if (key === null || !await isSignedBy(key, request)) throw invalidSignature();
    } while (key.revision < this.#revision);
    return await this.#remember(keyOfSigned(request), {
      name: `url signed by ${key.id}`,
      namespace: key.namespace,
      tenant: key.tenant,
      rules: [ruleForPath(request.operation, request.path)],
      tokenId: null,
      urlKey: key.id,
      expiresAtMs: request.expires * 1000,
    });
  }

  /** Learns of revocations, by this node or another, and ends what they revoke. */
  async poll(): Promise<void> {
    const began = performance.now();
    const { tokens } = this.#parts;
    this.#revision = await tokens.revision();
    const revision = this.#revision;
    // Tokens that are being looked up now are looked up again if they were read before this revision.
    if (revision !== this.#checked) await this.#endRevoked();
    this.#checked = revision;
    this.#polledAt = began;
    for (const principal of this.#evicted) {
      if (!principal.followed) this.#evicted.delete(principal);
    }
  }

  async #endRevoked(): Promise<void> {
    const principals = new Set(this.#evicted);
    for (const { principal } of this.#remembered.values()) {
      if (principal.revocable) principals.add(principal);
    }
    const { tokens, urlKeys } = this.#parts;
    const tokenIds = new Set([...principals].flatMap(({ tokenId }) => tokenId ?? []));
    const keyIds = new Set([...principals].flatMap(({ urlKey }) => urlKey ?? []));
    const existing = new Set<string | number | null>([
      ...tokenIds.size === 0 ? [] : await tokens.existing([...tokenIds]),
      ...keyIds.size === 0 ? [] : await urlKeys.existing([...keyIds]),
    ]);
    for (const principal of principals) {
      if (!existing.has(principal.tokenId ?? principal.urlKey)) principal.revoke();
    }
  }

  async #verify(header: string, token: string): Promise<Principal> {
    const { adminRules, jwt } = this.#parts;
    if (this.#adminHash !== null && hashOfToken(token) === this.#adminHash) {
      return this.#remember(header, {
        name: "the admin token's file",
        namespace: NO_NAMESPACE,
        rules: adminRules,
        tokenId: null,
        expiresAtMs: null,
      });
    }
    if (isTokenForm(token)) return await this.#verifyStored(header, token);
    if (jwt === null || token.split(".").length !== 3) {
      throw invalidCredentials("the token is not one that this server accepts");
    }
    const { subject, ...verified } = await jwt.verify(token, await this.#parts.clock.now());
    const holder = { name: `jwt ${subject}`, ...verified, tokenId: null };
    return this.#remember(header, holder, JWT_REMEMBERED_MS);
  }

  async #verifyStored(header: string, token: string): Promise<Principal> {
    let found: FoundToken | null;
    do {
      found = await this.#parts.tokens.find(token);
      if (found === null) throw invalidCredentials("the token is unknown, or was revoked");
    } while (found.revision < this.#revision);
    const { id, name, namespace, tenant, rules, expiresAtMs } = found;
    const holder = { name: `token ${name}`, namespace, tenant, rules, tokenId: id, expiresAtMs };
    return this.#remember(header, holder);
  }

  async #remember(
    key: string,
    holder: Omit<PrincipalOptions, "endsAt">,
    forMs = Infinity,
  ): Promise<Principal> {
    const { anonymous, clock } = this.#parts;
    const { expiresAtMs } = holder;
    const leftMs = expiresAtMs === null ? Infinity : expiresAtMs - await clock.now();
    if (leftMs <= 0) throw new Refused({ kind: "credentials_expired" });
    const now = performance.now();
    const principal = new Principal({
      ...holder,
      // Rules for everyone speak of names outside of every namespace, and a signed URL is one right alone.
      rules: holder.namespace === NO_NAMESPACE && holder.urlKey === undefined
        ? [...holder.rules, ...anonymous]
        : holder.rules,
      endsAt: now + leftMs,
    });
    this.#remembered.set(key, { principal, until: now + forMs });
    return principal;
  }
}

/** What a signed request is remembered by. No Authorization header begins so: it would hold a NUL. */
export function keyOfSigned({ operation, path, expires, keyId, signature }: SignedRequest): string {
  return `\0${operation} ${expires} ${keyId} ${signature} ${path}`;
}

function invalidCredentials(message: string): Refused {
  return new Refused({ kind: "credentials_invalid", message });
}
