/** Access control of one node: the principal of a request, and whether that may do what it asks for. */
import { type AccessRefusal, Refused } from "../errors.ts";
import { BaseService, type Service, startAll, stopAll } from "../lib/service.ts";
import { PeriodicTask } from "../lib/periodic_task.ts";
import type { Database } from "../storage/database.ts";
import { DatabaseClock } from "../storage/database_clock.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { type AccessToken, AccessTokens } from "./access_tokens.ts";
import { Credentials } from "./credentials.ts";
import { JwtVerifier } from "./jwt_verifier.ts";
import { Principal } from "./principal.ts";
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

export interface AccessParts {
  readonly database: Database;
  readonly telemetry: Telemetry;
  readonly settings: AccessSettings;
}

/** A holder, or why the request is not served. */
export type Authorization = Principal | { readonly refusal: AccessRefusal };

/** Of a request, what reports of its refusal say. */
interface Origin {
  readonly request: Request;
  readonly path: string;
  readonly peer: () => string | null;
}

/** Between two polls for revocations, by other nodes or the command line. Milliseconds. */
const POLL_MS = 1500;

const EVERY_RULE = parseRules([`${OPERATIONS.join(",")}:**`]) as readonly Rule[];
const FOREVER = { tokenId: null, expiresAtMs: null, endsAt: Infinity };
/** Everybody, where there is no access control. */
const OPEN = new Principal({ ...FOREVER, name: "everybody", rules: EVERY_RULE });

export class Access extends BaseService {
  readonly #parts: AccessParts;
  readonly #tokens: AccessTokens;
  readonly #anonymous: Principal;
  readonly #reports: RefusalReports;
  #credentials: Credentials | null = null;
  #services: readonly Service[] = [];

  constructor(parts: AccessParts) {
    super();
    this.#parts = parts;
    this.#tokens = new AccessTokens(parts.database);
    this.#reports = new RefusalReports(parts.telemetry);
    const { anonymous } = parts.settings;
    this.#anonymous = new Principal({ ...FOREVER, name: "anonymous", rules: anonymous });
  }

  /** Whether requests are checked: settings ask for it, or this database has ever had a token. */
  get enabled(): boolean {
    return this.#credentials !== null;
  }

  /** @throws Error with a sentence for the operator: a file or a key that cannot be used */
  protected override async onStart(): Promise<void> {
    const { database, settings } = this.#parts;
    if (!asksForAccess(settings) && await this.#tokens.revision() === 0) return;
    const { adminTokenFile, anonymous } = settings;
    const jwt = verifiesJwts(settings) ? new JwtVerifier(jwtSettings(settings)) : null;
    const credentials = new Credentials({
      tokens: this.#tokens,
      jwt,
      clock: new DatabaseClock(database),
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
   * @param path the request's, as sent, without the query
   * @param peer the address that it comes from, for reports
   * @returns rejects with DatabaseUnavailable or Refused where a token cannot be verified now
   */
  authorize(
    request: Request,
    path: string,
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
    if (header === null) return this.#decide(this.#anonymous, requirement, { request, path, peer });
    const remembered = credentials.remembered(header);
    return remembered === null
      ? this.#verify(credentials, header, requirement, { request, path, peer })
      : this.#decide(remembered, requirement, { request, path, peer });
  }

  /**
   * Makes a token with no right that its maker does not have, and that does not outlive it.
   * @throws Refused
   */
  async createToken(
    maker: Principal,
    token: Pick<AccessToken, "name" | "rules" | "expiresAtMs">,
  ): Promise<{ readonly secret: string; readonly stored: AccessToken }> {
    if (!maker.covers(token.rules)) throw new Refused({ kind: "forbidden", operation: "admin" });
    const latest = maker.expiresAtMs ?? Infinity;
    const expiresAtMs = Math.min(token.expiresAtMs ?? Infinity, latest);
    const created = await this.#tokens.create({
      ...token,
      expiresAtMs: expiresAtMs === Infinity ? null : expiresAtMs,
      parentId: maker.tokenId,
    });
    this.#parts.telemetry.report({
      event: "access_token_created",
      name: token.name,
      rules: token.rules.map(textOfRule),
      by: maker.name,
      expiresAtMs: created.stored.expiresAtMs,
    });
    return created;
  }

  /** The tokens that have no right that this holder does not have. */
  async listTokens(holder: Principal): Promise<AccessToken[]> {
    return (await this.#tokens.list()).filter(({ rules }) => holder.covers(rules));
  }

  /** Revokes one of them, with its descendants. @throws Refused `access_token_not_found` */
  async revokeToken(holder: Principal, name: string): Promise<void> {
    const token = await this.#tokens.named(name);
    const revocable = token !== null && holder.covers(token.rules);
    if (!revocable || !await this.#tokens.revoke(token.id)) {
      throw new Refused({ kind: "access_token_not_found" });
    }
    this.#parts.telemetry.report({ event: "access_token_revoked", name, by: holder.name });
    await this.#credentials?.poll();
  }

  async #verify(
    credentials: Credentials,
    header: string,
    requirement: Requirement,
    from: Origin,
  ): Promise<Authorization> {
    let principal: Principal;
    try {
      principal = await credentials.verify(header);
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
    case "some":
      return principal.allowsSome(requirement.operation) ? null : requirement.operation;
    default:
      return null;
  }
}
