/** Access control of one node: the principal of a request, and whether that may do what it asks for. */
import { type AccessRefusal, invalidRequest, Refused } from "../errors.ts";
import { BaseService, type Service, startAll, stopAll } from "../lib/service.ts";
import { PeriodicTask } from "../lib/periodic_task.ts";
import type { Database } from "../storage/database.ts";
import { DatabaseClock } from "../storage/database_clock.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { type AccessToken, AccessTokens } from "./access_tokens.ts";
import { Credentials, keyOfSigned } from "./credentials.ts";
import { JwtVerifier } from "./jwt_verifier.ts";
import { nestedNamespace, NO_NAMESPACE, parseNamespace, storedName } from "./namespaces.ts";
import { ANONYMOUS, Principal } from "./principal.ts";
import { RefusalReports } from "./refusal_reports.ts";
import { type Requirement, requirementOf } from "./requirement.ts";
import { OPERATIONS, parseRules, type Rule, textOfRule } from "./rules.ts";
import {
  type AccessSettings,
  asksForAccess,
  jwtSettings,
  readAdminToken,
  verifiesJwts,
} from "./settings.ts";
import {
  carriesSignature,
  type Grant,
  invalidSignature,
  parseSignature,
  SIGNED_OPERATIONS,
  signGrant,
} from "./signed_urls.ts";
import { type ListedUrlKey, type UrlKey, UrlKeys } from "./url_keys.ts";

export interface AccessParts {
  readonly database: Database;
  readonly telemetry: Telemetry;
  readonly settings: AccessSettings;
  /** Gets the token that the first start makes, once: it is stored nowhere. */
  readonly onFirstToken: (token: string) => void;
}

/** A holder, or why the request is not served. */
export type Authorization = Principal | { readonly refusal: AccessRefusal };

/** Of a request, what reports of its refusal say. */
interface Origin {
  readonly request: Request;
  /** Without the query, which may hold a signature. */
  readonly path: string;
  readonly peer: () => string | null;
}

/** Between two polls for revocations, by other nodes or the command line. Milliseconds. */
const POLL_MS = 1500;

/** A token as its maker asks for it: name and namespace are within the maker's own. */
export type RequestedToken = Pick<AccessToken, "name" | "namespace" | "rules" | "expiresAtMs">;

/** Of the token that the first start makes. */
const FIRST_TOKEN = "first";

const EVERY_RULE = parseRules([`${OPERATIONS.join(",")}:**`]) as readonly Rule[];
/** What a key of signed URLs can give. */
const EVERY_SIGNED = parseRules([`${SIGNED_OPERATIONS.join(",")}:**`]) as readonly Rule[];
const FOREVER = { tokenId: null, expiresAtMs: null, endsAt: Infinity };
/** Everybody, where there is no access control. */
const OPEN = new Principal({ ...FOREVER, name: "everybody", rules: EVERY_RULE });

export class Access extends BaseService {
  readonly #parts: AccessParts;
  readonly #tokens: AccessTokens;
  readonly #urlKeys: UrlKeys;
  readonly #anonymous: Principal;
  readonly #reports: RefusalReports;
  readonly #clock: DatabaseClock;
  #credentials: Credentials | null = null;
  #services: readonly Service[] = [];

  constructor(parts: AccessParts) {
    super();
    this.#parts = parts;
    this.#tokens = new AccessTokens(parts.database);
    this.#urlKeys = new UrlKeys(parts.database);
    this.#reports = new RefusalReports(parts.telemetry);
    this.#clock = new DatabaseClock(parts.database);
    const { anonymous } = parts.settings;
    this.#anonymous = new Principal({ ...FOREVER, name: ANONYMOUS, rules: anonymous });
  }

  /** Whether requests are checked: settings ask for it, or this database has ever had a token. */
  get enabled(): boolean {
    return this.#credentials !== null;
  }

  /** @throws Error with a sentence for the operator: a file or a key that cannot be used */
  protected override async onStart(): Promise<void> {
    const { settings } = this.#parts;
    const isFirst = await this.#tokens.revision() === 0;
    if (!asksForAccess(settings) && isFirst) return;
    if (settings.accessOn && isFirst && settings.adminTokenFile === null) await this.#makeFirst();
    const { adminTokenFile, anonymous } = settings;
    const jwt = verifiesJwts(settings) ? new JwtVerifier(jwtSettings(settings)) : null;
    const credentials = new Credentials({
      tokens: this.#tokens,
      urlKeys: this.#urlKeys,
      jwt,
      clock: this.#clock,
      adminToken: adminTokenFile === null ? null : readAdminToken(adminTokenFile),
      adminRules: EVERY_RULE,
      anonymous,
    });
    const polling = new PeriodicTask({ run: () => credentials.poll(), pauseMs: POLL_MS });
    this.#services = jwt === null ? [polling] : [jwt, polling];
    await credentials.poll();
    await startAll(this.#services);
    this.#credentials = credentials;
  }

  protected override async onStop(): Promise<void> {
    await stopAll(this.#services);
  }

  /**
   * Decides by the request alone: streams and subscriptions are not consulted, so the answer does not
   * depend on whether they exist. Without a promise for a token that is remembered.
   *
   * @param target the request's path and query, as sent
   * @param peer the address that it comes from, for reports
   * @returns rejects with DatabaseUnavailable or Refused where a token cannot be verified now
   */
  authorize(
    request: Request,
    { path, query }: { readonly path: string; readonly query: string },
    peer: () => string | null,
  ): Authorization | Promise<Authorization> {
    const credentials = this.#credentials;
    if (credentials === null) return OPEN;
    const requirement = requirementOf({
      method: request.method,
      path,
      forkedFrom: () => request.headers.get("stream-forked-from"),
    });
    if (requirement.kind === "public") return this.#anonymous;
    const header = request.headers.get("authorization");
    const from = { request, path, peer };
    if (header === null) {
      return carriesSignature(query)
        ? this.#authorizeSigned(credentials, query, requirement, from)
        : this.#decide(this.#anonymous, requirement, from);
    }
    const remembered = credentials.remembered(header);
    return remembered === null
      ? this.#verify(() => credentials.verify(header), requirement, from)
      : this.#decide(remembered, requirement, from);
  }

  /** By a signed URL, which counts where a stream is read or appended to, and nowhere else. */
  #authorizeSigned(
    credentials: Credentials,
    query: string,
    requirement: Requirement,
    from: Origin,
  ): Authorization | Promise<Authorization> {
    return this.#verify(
      async () => {
        if (requirement.kind !== "path") throw invalidSignature();
        const operation = SIGNED_OPERATIONS.find((name) => name === requirement.operation);
        if (operation === undefined) throw invalidSignature();
        const signed = parseSignature(query, { operation, path: requirement.path });
        return credentials.remembered(keyOfSigned(signed)) ??
          await credentials.verifySigned(signed);
      },
      requirement,
      from,
    );
  }

  /**
   * Makes a token with no right that its maker does not have, and that does not outlive it.
   * @throws Refused
   */
  async createToken(
    maker: Principal,
    token: RequestedToken,
  ): Promise<{ readonly secret: string; readonly stored: AccessToken }> {
    const name = storedName(maker.namespace, token.name);
    const nested = nestedNamespace(maker.namespace, token.namespace);
    const parsed = nested === NO_NAMESPACE ? { namespace: nested } : parseNamespace(nested);
    if (typeof parsed === "string") throw invalidRequest(parsed);
    const { namespace } = parsed;
    if (!maker.covers(token.rules, namespace)) {
      throw new Refused({ kind: "forbidden", operation: "admin" });
    }
    const latest = maker.expiresAtMs ?? Infinity;
    const expiresAtMs = Math.min(token.expiresAtMs ?? Infinity, latest);
    const created = await this.#tokens.create({
      ...{ name, namespace, rules: token.rules },
      expiresAtMs: expiresAtMs === Infinity ? null : expiresAtMs,
      parentId: maker.tokenId,
    });
    this.#parts.telemetry.report({
      event: "access_token_created",
      name,
      namespace,
      rules: token.rules.map(textOfRule),
      by: maker.name,
      expiresAtMs: created.stored.expiresAtMs,
    });
    return created;
  }

  /** The tokens that have no right that this holder does not have. */
  async listTokens(holder: Principal): Promise<AccessToken[]> {
    return (await this.#tokens.list(holder.namespace))
      .filter(({ rules, namespace }) => holder.covers(rules, namespace));
  }

  /**
   * Revokes one of them, with its descendants.
   * @param outer its name, as the holder says it
   * @throws Refused `access_token_not_found`
   */
  async revokeToken(holder: Principal, outer: string): Promise<void> {
    const name = storedName(holder.namespace, outer);
    const token = await this.#tokens.named(name);
    const revocable = token !== null && holder.covers(token.rules, token.namespace);
    if (!revocable || !await this.#tokens.revoke(token.id)) {
      throw new Refused({ kind: "access_token_not_found" });
    }
    this.#parts.telemetry.report({ event: "access_token_revoked", name, by: holder.name });
    await this.#credentials?.poll();
  }

  /**
   * Signs a URL for what its maker may do, which ends with the maker's token at the latest.
   * @param grant `expires` is not before now
   * @returns the URL's query, and when it ends
   * @throws Refused `forbidden`, `url_keys_full`
   */
  async signUrl(maker: Principal, grant: Grant): Promise<{ query: string; expires: number }> {
    if (!maker.allows(grant.operation, grant.path)) {
      throw new Refused({ kind: "forbidden", operation: grant.operation });
    }
    const latest = maker.expiresAtMs === null ? Infinity : Math.floor(maker.expiresAtMs / 1000);
    const expires = Math.min(grant.expires, latest);
    const key = await this.#urlKeys.newest(maker.namespace, maker.tokenId) ??
      await this.#addUrlKey(maker);
    return { query: await signGrant({ ...grant, expires }, key), expires };
  }

  /** Makes a key that signs what this holder signs from now on. Earlier ones stay valid. */
  async createUrlKey(holder: Principal): Promise<UrlKey> {
    return await this.#addUrlKey(holder);
  }

  /** The keys of tokens whose rights this holder has, and where it may do everything, of JWTs. */
  async listUrlKeys(holder: Principal): Promise<ListedUrlKey[]> {
    return (await this.#urlKeys.list(holder.namespace))
      .filter(({ rules, namespace }) => holder.covers(rules ?? EVERY_SIGNED, namespace));
  }

  /** Revokes one of them, and with it every URL that it signed. @throws Refused `url_key_not_found` */
  async revokeUrlKey(holder: Principal, id: string): Promise<void> {
    const known = (await this.listUrlKeys(holder)).some((key) => key.id === id);
    if (!known || !await this.#urlKeys.revoke(id)) throw new Refused({ kind: "url_key_not_found" });
    this.#parts.telemetry.report({ event: "url_key_revoked", key: id, by: holder.name });
    await this.#credentials?.poll();
  }

  /** Seconds since 1970, by the database's clock. */
  async now(): Promise<number> {
    return Math.floor(await this.#clock.now() / 1000);
  }

  async #addUrlKey(holder: Principal): Promise<UrlKey> {
    const key = await this.#urlKeys.add(holder.namespace, holder.tokenId);
    this.#parts.telemetry.report({ event: "url_key_created", key: key.id, by: holder.name });
    return key;
  }

  /** Of several nodes that start at once, one makes it. */
  async #makeFirst(): Promise<void> {
    try {
      const { secret } = await this.#tokens.create({
        ...{ name: FIRST_TOKEN, namespace: NO_NAMESPACE, rules: EVERY_RULE },
        ...{ expiresAtMs: null, parentId: null },
      });
      this.#parts.onFirstToken(secret);
    } catch (error) {
      if (!(error instanceof Refused) || error.refusal.kind !== "access_token_exists") throw error;
    }
  }

  async #verify(
    verify: () => Promise<Principal>,
    requirement: Requirement,
    from: Origin,
  ): Promise<Authorization> {
    let principal: Principal;
    try {
      principal = await verify();
    } catch (error) {
      const refusal = error instanceof Refused ? error.refusal : null;
      if (refusal?.kind !== "credentials_invalid" && refusal?.kind !== "credentials_expired") {
        throw error;
      }
      return this.#refuse(refusal, "unknown", from);
    }
    return this.#decide(principal, requirement, from);
  }

  #decide(
    principal: Principal,
    requirement: Requirement,
    from: Origin,
  ): Authorization {
    const missing = missingOperation(principal, requirement);
    if (missing === null && (requirement.kind !== "any" || principal !== this.#anonymous)) {
      return principal;
    }
    const refusal: AccessRefusal = principal === this.#anonymous || missing === null
      ? { kind: "unauthenticated" }
      : { kind: "forbidden", operation: missing };
    return this.#refuse(refusal, principal.name, from);
  }

  #refuse(
    refusal: AccessRefusal,
    principal: string,
    { request, path, peer }: Origin,
  ): Authorization {
    const { method } = request;
    this.#reports.refused({ principal, address: peer(), method, path, reason: refusal.kind });
    return { refusal };
  }
}

/** The first operation that the holder lacks, or null. */
function missingOperation(principal: Principal, requirement: Requirement): string | null {
  switch (requirement.kind) {
    case "path":
      return principal.allows(requirement.operation, requirement.path)
        ? null
        : requirement.operation;
    case "fork":
      if (!principal.allows("create", requirement.path)) return "create";
      return principal.allows("read", requirement.source) ? null : "read";
    case "server":
      return principal.namespace === NO_NAMESPACE && principal.allowsSome("admin") ? null : "admin";
    case "some":
      return principal.allowsSome(requirement.operation) ? null : requirement.operation;
    default:
      return null;
  }
}
