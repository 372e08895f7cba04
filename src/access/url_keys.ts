/** The keys of signed URLs, as the database has them: each in one namespace, most of them of one token. */
import { Buffer } from "node:buffer";
import { Refused } from "../errors.ts";
import type { Batcher } from "../lib/batcher.ts";
import { type Database, textArray } from "../storage/database.ts";
import { createLookups } from "./lookups.ts";
import { boundsOf, type Namespace } from "./namespaces.ts";
import { parseStoredRules, type Rule } from "./rules.ts";

const ID_BYTES = 16;
const SECRET_BYTES = 32;
/** Of one namespace. */
const MOST_KEYS = 10_000;

export interface UrlKey {
  readonly id: string;
  readonly namespace: Namespace;
  /** That of the token that made it, or the namespace: whose quota counts. */
  readonly tenant: Namespace;
  /** The stored token that made it; null: a JWT or the first token did. */
  readonly tokenId: number | null;
  /** In base64url. */
  readonly secret: string;
  /** Of all tokens and keys, when it was read. */
  readonly revision: number;
}

/** A key as lists show it. */
export interface ListedUrlKey extends Pick<UrlKey, "id" | "namespace" | "tokenId"> {
  readonly createdAtMs: number;
  /** The stored name of the token, and what its holder may do; null where there is none. */
  readonly tokenName: string | null;
  readonly rules: readonly Rule[] | null;
}

type ListedRow = Omit<ListedUrlKey, "rules"> & { readonly rules: string | null };

const COLUMNS = `k.id, k.namespace, k.token_id as "tokenId", k.secret, r.revision,
    case when k.token_id is null then k.namespace else penstock.token_tenant(k.token_id) end as tenant
  from penstock.url_keys k cross join penstock.access_revision r where r.id = 1`;

const LIST = `select k.id, k.namespace, k.token_id as "tokenId", t.name as "tokenName", t.rules,
    floor(extract(epoch from k.created_at) * 1000)::bigint as "createdAtMs"
  from penstock.url_keys k left join penstock.access_tokens t on t.id = k.token_id
  where $1 = '' or k.namespace = $1 or k.namespace > $2 and k.namespace < $3
  order by k.created_at, k.id limit ${MOST_KEYS}`;

export class UrlKeys {
  readonly #database: Database;
  readonly #finds: Batcher<string, UrlKey | null>;

  constructor(database: Database) {
    this.#database = database;
    this.#finds = createLookups({ what: "signed URLs", find: (ids) => this.#findAll(ids) });
  }

  /** The key of this id. */
  find(id: string): Promise<UrlKey | null> {
    return this.#finds.submit(id);
  }

  /** The newest key of a token, or of those in this namespace that no token made; null: none yet. */
  async newest(namespace: Namespace, tokenId: number | null): Promise<UrlKey | null> {
    const [row] = await this.#database.hedged<UrlKey>(
      `select ${COLUMNS} and k.namespace = $1 and k.token_id is not distinct from $2::bigint
        order by k.created_at desc, k.id limit 1`,
      [namespace, tokenId],
    );
    return row ?? null;
  }

  /** Makes a key, which signs from now on. @throws Refused `url_keys_full`, `credentials_invalid` */
  async add(namespace: Namespace, tokenId: number | null): Promise<UrlKey> {
    const id = randomText(ID_BYTES);
    const secret = randomText(SECRET_BYTES);
    const [row] = await this.#database.query<{ outcome: string }>(
      "select penstock.add_url_key($1, $2, $3, $4, $5) as outcome",
      [id, namespace, tokenId, secret, MOST_KEYS],
    );
    switch (row!.outcome) {
      case "full":
        throw new Refused({ kind: "url_keys_full", limit: MOST_KEYS });
      case "token_gone":
        throw new Refused({ kind: "credentials_invalid", message: "the token was revoked" });
    }
    // It is made to sign with: what it signs is verified by what is stored.
    return { id, namespace, tenant: namespace, tokenId, secret, revision: 0 };
  }

  /** Those in this namespace and below it, the oldest first. */
  async list(namespace: Namespace): Promise<ListedUrlKey[]> {
    const rows = await this.#database.query<ListedRow>(LIST, [namespace, ...boundsOf(namespace)]);
    return rows.map((row) => ({
      ...row,
      rules: row.rules === null ? null : parseStoredRules(row.rules),
    }));
  }

  /** Returns whether it was there. */
  async revoke(id: string): Promise<boolean> {
    const [row] = await this.#database.query<{ revoked: boolean }>(
      "select penstock.revoke_url_key($1) as revoked",
      [id],
    );
    return row!.revoked;
  }

  /** Of these keys, those that are still there. */
  async existing(ids: readonly string[]): Promise<Set<string>> {
    const rows = await this.#database.hedged<{ id: string }>(
      "select id from penstock.url_keys where id = any($1::text[])",
      [textArray(ids)],
    );
    return new Set(rows.map(({ id }) => id));
  }

  async #findAll(ids: readonly string[]): Promise<Map<string, UrlKey>> {
    const rows = await this.#database.hedged<UrlKey>(
      `select ${COLUMNS} and k.id = any($1::text[])`,
      [textArray(ids)],
    );
    return new Map(rows.map((row) => [row.id, row]));
  }
}

function randomText(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("base64url");
}
