/**
 * The keys of this database: Ed25519 for webhooks, HMAC for tokens. Made by the first node that
 * needs them, shared by all, replaced by `penstock keys rotate`. A key that was replaced signs
 * nothing, but is published (webhooks) or verified with (tokens) until what it signed is stale.
 */
import { calculateJwkThumbprint, type JWK } from "jose";
import { and, desc, eq, gt, isNull, or, sql } from "drizzle-orm";
import { Buffer } from "node:buffer";
import type { Database } from "../storage/database.ts";
import { DatabaseClock } from "../storage/database_clock.ts";
import { keys } from "../storage/schema.ts";

export type KeyPurpose = "webhook" | "token";

export interface Key {
  readonly kid: string;
  /** `listing`: not used here, see `PlaceCursors`. */
  readonly purpose: KeyPurpose | "listing";
  /** The private half: a secret. */
  readonly jwk: JWK;
  readonly retired: boolean;
}

/** A public key as receivers fetch it (section 6.5). */
export interface PublishedKey {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly kid: string;
  readonly use: "sig";
  readonly alg: "EdDSA";
  readonly x: string;
}

/** How long another node may go on signing with a key that was replaced. Milliseconds. */
const FRESH_MS = 10_000;
/** Receivers accept five minutes, caches keep the old set for five more: twice that and a bit. */
const PUBLISHED_FOR = "30 minutes";

const COLUMNS = {
  kid: keys.kid,
  purpose: keys.purpose,
  jwk: keys.jwk,
  retired: sql<boolean>`${keys.retiredAt} is not null`,
};

export class KeyRing {
  /** What tokens and signatures are dated by: every node has to agree. */
  readonly clock: DatabaseClock;
  readonly #database: Database;
  #keys: readonly Key[] = [];
  #loadedAt = -Infinity;
  readonly #imported = new Map<string, Promise<CryptoKey>>();

  constructor(database: Database) {
    this.#database = database;
    this.clock = new DatabaseClock(database);
  }

  /** Makes the keys that are missing. */
  async start(): Promise<void> {
    for (const purpose of ["webhook", "token"] as const) {
      await storeKey(this.#database, "select penstock.add_key($1, $2, $3)", purpose);
    }
    await this.#load();
  }

  /** The key that signs now. */
  async current(purpose: KeyPurpose): Promise<Key> {
    if (performance.now() - this.#loadedAt > FRESH_MS) await this.#load();
    const key = this.#keys.find((key) => key.purpose === purpose && !key.retired);
    if (key === undefined) throw new Error(`there is no ${purpose} key`);
    return key;
  }

  /** A key in use or lately so, by its id. */
  async find(purpose: KeyPurpose, kid: string): Promise<Key | undefined> {
    const known = () => this.#keys.find((key) => key.purpose === purpose && key.kid === kid);
    // Another node may have begun to use a new one.
    if (known() === undefined && performance.now() - this.#loadedAt > 1000) await this.#load();
    return known();
  }

  /** What `jwks.json` holds now. */
  async published(): Promise<PublishedKey[]> {
    const published = sql`now() - interval '${sql.raw(PUBLISHED_FOR)}'`;
    const rows = await this.#database.typedQuery((drizzle) =>
      drizzle.select(COLUMNS).from(keys)
        .where(and(
          eq(keys.purpose, "webhook"),
          or(isNull(keys.retiredAt), gt(keys.retiredAt, published)),
        ))
        .orderBy(desc(keys.createdAt))
    );
    return rows.map((row) => {
      const { x } = JSON.parse(row.jwk) as JWK;
      return { kty: "OKP", crv: "Ed25519", kid: row.kid, use: "sig", alg: "EdDSA", x: x! };
    });
  }

  /** The value of a `Webhook-Signature` header (section 7.1). */
  async sign(body: Uint8Array): Promise<string> {
    const key = await this.current("webhook");
    const time = Math.floor(await this.clock.now() / 1000);
    const payload = Buffer.concat([Buffer.from(`${time}.`), body]);
    const signature = await crypto.subtle.sign("Ed25519", await this.#import(key), payload);
    return `t=${time},kid=${key.kid},ed25519=${Buffer.from(signature).toString("base64url")}`;
  }

  #import({ kid, jwk }: Key): Promise<CryptoKey> {
    let imported = this.#imported.get(kid);
    if (imported === undefined) {
      const { kty, crv, x, d } = jwk;
      imported = crypto.subtle.importKey(
        "jwk",
        { kty: kty!, crv: crv!, x: x!, d: d! },
        "Ed25519",
        false,
        ["sign"],
      );
      this.#imported.set(kid, imported);
    }
    return imported;
  }

  async #load(): Promise<void> {
    const rows = await this.#database.typedQuery((drizzle) => drizzle.select(COLUMNS).from(keys));
    this.#keys = rows.map((row) => ({ ...row, jwk: JSON.parse(row.jwk) as JWK }));
    this.#loadedAt = performance.now();
  }
}

/** `penstock keys rotate`: new keys for both purposes; returns their ids. */
export async function rotateKeys(database: Database): Promise<string[]> {
  const kids: string[] = [];
  for (const purpose of ["webhook", "token"] as const) {
    kids.push(await storeKey(database, "select penstock.rotate_key($1, $2, $3)", purpose));
  }
  return kids;
}

async function storeKey(
  database: Database,
  statement: string,
  purpose: KeyPurpose,
): Promise<string> {
  const jwk = await (purpose === "webhook" ? newSigningKey() : newSecret());
  const kid = `ds_${await calculateJwkThumbprint(jwk)}`;
  await database.query(statement, [kid, purpose, JSON.stringify(jwk)]);
  return kid;
}

async function newSigningKey(): Promise<JWK> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const { kty, crv, x, d } = await crypto.subtle.exportKey(
    "jwk",
    (pair as CryptoKeyPair).privateKey,
  );
  return { kty: kty!, crv: crv!, x: x!, d: d! };
}

function newSecret(): Promise<JWK> {
  const secret = crypto.getRandomValues(new Uint8Array(32));
  return Promise.resolve({ kty: "oct", k: Buffer.from(secret).toString("base64url") });
}
