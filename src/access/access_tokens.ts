/** The access tokens of a database. Of a token only the hash is stored: it is shown once, when made. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { and, asc, eq, gt, lt, sql } from "drizzle-orm";
import { Refused } from "../errors.ts";
import type { Batcher } from "../lib/batcher.ts";
import { type Database, numberArray, textArray } from "../storage/database.ts";
import { accessTokens } from "../storage/schema.ts";
import { createLookups } from "./lookups.ts";
import { boundsOf, type Namespace, NO_NAMESPACE } from "./namespaces.ts";
import { parseStoredRules, type Rule, textOfRule } from "./rules.ts";

const PREFIX = "pst_";
const SECRET_BYTES = 32;
/** Of one tenant, and of those outside of every namespace. */
const MOST_TOKENS = 10_000;
/** `pst_` and 256 bits in base64url. */
const FORM = /^pst_[A-Za-z0-9_-]{43}$/;

/** A token as lists show it: without its secret. */
export interface AccessToken {
  readonly id: number;
  /** Begins with the namespace of its maker. */
  readonly name: string;
  /** What names are in for its holder, whose rules speak of them without it. */
  readonly namespace: Namespace;
  readonly rules: readonly Rule[];
  readonly createdAtMs: number;
  /** Milliseconds since 1970; null: never. */
  readonly expiresAtMs: number | null;
}

export interface NewAccessToken {
  readonly name: string;
  readonly namespace: Namespace;
  readonly rules: readonly Rule[];
  readonly expiresAtMs: number | null;
  readonly parentId: number | null;
}

/** A stored token that was presented, and the revision of the tokens as it was then. */
export interface FoundToken extends AccessToken {
  /** The outermost namespace on the way from the operator to it: whose quota counts. */
  readonly tenant: Namespace;
  readonly revision: number;
}

type FoundRow = Omit<FoundToken, "rules"> & { readonly hash: string; readonly rules: string };

const FIND =
  `select t.id, t.name, t.hash, t.rules, t.namespace, penstock.token_tenant(t.id) as tenant,
    floor(extract(epoch from t.created_at) * 1000)::bigint as "createdAtMs",
    floor(extract(epoch from t.expires_at) * 1000)::bigint as "expiresAtMs", r.revision
  from penstock.access_tokens t cross join penstock.access_revision r
  where t.hash = any($1::text[]) and r.id = 1`;

/** Names are parts of URLs, and of log lines. */
export const TOKEN_NAME_RULE =
  "a token's name has 1 to 128 letters, digits, dots, underscores or " +
  "hyphens, and begins with a letter or a digit";

export function isTokenName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text);
}

export function isTokenForm(text: string): boolean {
  return FORM.test(text);
}

export function hashOfToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

const millisecondsOf = (column: unknown) =>
  sql<number | null>`floor(extract(epoch from ${column}) * 1000)::bigint`;

const COLUMNS = {
  id: accessTokens.id,
  name: accessTokens.name,
  rules: accessTokens.rules,
  namespace: accessTokens.namespace,
  createdAtMs: sql<number>`floor(extract(epoch from ${accessTokens.createdAt}) * 1000)::bigint`,
  expiresAtMs: millisecondsOf(accessTokens.expiresAt),
};

export class AccessTokens {
  readonly #database: Database;
  readonly #finds: Batcher<string, FoundToken | null>;

  constructor(database: Database) {
    this.#database = database;
    this.#finds = createLookups({ what: "tokens", find: (hashes) => this.#findAll(hashes) });
  }

  /**
   * Stores a new token. Returns its secret and when it expires: with its parent, if that is sooner.
   * @throws Refused `access_token_exists`, `access_tokens_full`, or `credentials_invalid` where the
   * parent is gone
   */
  async create(
    token: NewAccessToken,
  ): Promise<{ readonly secret: string; readonly stored: AccessToken }> {
    const random = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
    const secret = PREFIX + Buffer.from(random).toString("base64url");
    const [row] = await this.#database.query<{ outcome: string }>(
      "select penstock.create_access_token($1, $2, $3, $4, $5, $6, $7) as outcome",
      [
        token.name,
        hashOfToken(secret),
        JSON.stringify(token.rules.map(textOfRule)),
        token.namespace,
        token.parentId,
        token.expiresAtMs,
        MOST_TOKENS,
      ],
    );
    switch (row!.outcome) {
      case "exists":
        throw new Refused({ kind: "access_token_exists" });
      case "full":
        throw new Refused({ kind: "access_tokens_full", limit: MOST_TOKENS });
      case "parent_gone":
        throw new Refused({ kind: "credentials_invalid", message: "the token was revoked" });
    }
    const stored = await this.named(token.name);
    if (stored === null) throw new Refused({ kind: "access_token_not_found" });
    return { secret, stored };
  }

  /**
   * The token that was presented, with the revision of the same snapshot.
   * @throws DatabaseUnavailable, Overloaded
   */
  find(secret: string): Promise<FoundToken | null> {
    return this.#finds.submit(hashOfToken(secret));
  }

  async named(name: string): Promise<AccessToken | null> {
    const [row] = await this.#database.typedQuery((drizzle) =>
      drizzle.select(COLUMNS).from(accessTokens).where(eq(accessTokens.name, name))
    );
    return row === undefined ? null : { ...row, rules: parseStoredRules(row.rules) };
  }

  /** By name, those whose names are in the namespace. */
  async list(namespace: Namespace): Promise<AccessToken[]> {
    const { name } = accessTokens;
    const [after, before] = boundsOf(namespace);
    const within = namespace === NO_NAMESPACE ? undefined : and(gt(name, after), lt(name, before));
    const rows = await this.#database.typedQuery((drizzle) =>
      drizzle.select(COLUMNS).from(accessTokens).where(within).orderBy(asc(name)).limit(MOST_TOKENS)
    );
    return rows.map((row) => ({ ...row, rules: parseStoredRules(row.rules) }));
  }

  /** Deletes a token and its descendants. Returns whether it was there. */
  async revoke(id: number): Promise<boolean> {
    const [row] = await this.#database.query<{ revoked: boolean }>(
      "select penstock.revoke_access_token($1) as revoked",
      [id],
    );
    return row!.revoked;
  }

  /** How often the tokens of this database have changed; 0: there never was one. */
  async revision(): Promise<number> {
    const [row] = await this.#database.hedged<{ revision: number }>(
      "select revision from penstock.access_revision where id = 1",
    );
    return row!.revision;
  }

  async #findAll(hashes: readonly string[]): Promise<Map<string, FoundToken>> {
    const rows = await this.#database.hedged<FoundRow>(FIND, [textArray(hashes)]);
    return new Map(
      rows.map(({ hash, rules, ...row }) => [hash, { ...row, rules: parseStoredRules(rules) }]),
    );
  }

  /** Of these tokens, those that are still there. */
  async existing(ids: readonly number[]): Promise<Set<number>> {
    const rows = await this.#database.hedged<{ id: number }>(
      "select id from penstock.access_tokens where id = any($1::bigint[])",
      [numberArray(ids)],
    );
    return new Set(rows.map(({ id }) => id));
  }
}
