/** JWTs as access tokens: HMAC with a secret, or signatures by a public key or a set of them. */
import { Buffer } from "node:buffer";
import { createPublicKey } from "node:crypto";
import {
  createRemoteJWKSet,
  errors,
  importJWK,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  jwtVerify,
} from "jose";
import { Refused } from "../errors.ts";
import { PeriodicTask } from "../lib/periodic_task.ts";
import { BaseService } from "../lib/service.ts";
import { type Namespace, nestedNamespace, NO_NAMESPACE, parseNamespace } from "./namespaces.ts";
import {
  fillNamespace,
  fillTemplate,
  type NamespaceTemplate,
  type RuleTemplate,
} from "./rule_templates.ts";
import { parseRules, type Rule, splitRules } from "./rules.ts";

export interface JwtSettings {
  /** For HS256, at least 32 bytes; null: no HMAC. */
  readonly secret: Uint8Array | null;
  /** PEM or JWK; null: none. */
  readonly publicKey: string | null;
  /** Null: none. */
  readonly jwksUrl: string | null;
  /** What `iss` and `aud` have to be; null: anything. */
  readonly issuer: string | null;
  readonly audience: string | null;
  /** The claim that holds rules. */
  readonly claim: string;
  readonly templates: readonly RuleTemplate[];
  /** The claim that holds a namespace; a token without it has none. */
  readonly namespaceClaim: string;
  /** The namespace of every token, with claims in it; null: none. The claim's is within it. */
  readonly namespaceTemplate: NamespaceTemplate | null;
}

export interface VerifiedJwt {
  /** The subject, made fit for a log line. */
  readonly subject: string;
  readonly namespace: Namespace;
  readonly rules: readonly Rule[];
  /** Milliseconds since 1970, with the tolerance: from then on it is refused. */
  readonly expiresAtMs: number;
}

/** The issuer's clock may be ahead of the database's, or behind it, by so much. Seconds. */
const CLOCK_TOLERANCE_S = 5;
const LONGEST_TOKEN = 8192;
const SHORTEST_SECRET = 32;
const FETCH_MS = 5000;
/** Between two fetches of the keys because of a key that is not known. */
const COOL_DOWN_MS = 10_000;
/** A key that the issuer has taken out is used no longer than this, if its server answers. */
const REFRESH_MS = 5 * 60_000;

/** What a public key may verify. HS256 is not among them, nor `none`: a public key is no secret. */
const BY_PUBLIC_KEY = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];

type KeySet = ReturnType<typeof createRemoteJWKSet>;

export class JwtVerifier extends BaseService {
  readonly #settings: JwtSettings;
  readonly #publicKey: JWK | null;
  readonly #remote: KeySet | null;
  readonly #refresh: PeriodicTask | null;

  /** @throws Error with a sentence for the operator: a key that cannot be used */
  constructor(settings: JwtSettings) {
    super();
    this.#settings = settings;
    const { secret, publicKey, jwksUrl } = settings;
    if (secret !== null && secret.length < SHORTEST_SECRET) {
      throw new Error(`the JWT secret has fewer than ${SHORTEST_SECRET} bytes`);
    }
    this.#publicKey = publicKey === null ? null : readPublicKey(publicKey);
    this.#remote = jwksUrl === null ? null : createRemoteJWKSet(new URL(jwksUrl), {
      timeoutDuration: FETCH_MS,
      cooldownDuration: COOL_DOWN_MS,
      // What was fetched counts until the next fetch succeeds: their server may be down.
      cacheMaxAge: Infinity,
    });
    const remote = this.#remote;
    this.#refresh = remote === null
      ? null
      : new PeriodicTask({ run: () => remote.reload(), pauseMs: REFRESH_MS, firstMs: 0 });
  }

  protected override async onStart(): Promise<void> {
    await this.#refresh?.start();
  }

  protected override async onStop(): Promise<void> {
    await this.#refresh?.stop();
  }

  /**
   * @param nowMs by the database's clock
   * @throws Refused `credentials_invalid`, `credentials_expired` or `keys_unavailable`
   */
  async verify(token: string, nowMs: number): Promise<VerifiedJwt> {
    if (token.length > LONGEST_TOKEN) throw invalidToken("the token is too long");
    const { secret, issuer, audience } = this.#settings;
    const algorithms = [
      ...(secret === null ? [] : ["HS256"]),
      ...(this.#publicKey === null && this.#remote === null ? [] : BY_PUBLIC_KEY),
    ];
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, (header) => this.#keyFor(header), {
        algorithms,
        ...(issuer === null ? {} : { issuer }),
        ...(audience === null ? {} : { audience }),
        requiredClaims: ["exp"],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: new Date(nowMs),
      }));
    } catch (error) {
      throw refusedOf(error);
    }
    return {
      subject: printable(payload.sub),
      namespace: this.#namespaceOf(payload),
      rules: this.#rulesOf(payload),
      expiresAtMs: (payload.exp! + CLOCK_TOLERANCE_S) * 1000,
    };
  }

  async #keyFor(header: JWTHeaderParameters): Promise<Uint8Array | CryptoKey> {
    const { secret } = this.#settings;
    // `algorithms` has admitted HS256 only if there is a secret: a public key never stands in for one.
    if (header.alg === "HS256") return secret!;
    if (this.#publicKey !== null) {
      return await importJWK(this.#publicKey, header.alg) as CryptoKey;
    }
    try {
      return await this.#remote!(header);
    } catch (error) {
      if (isKeyProblem(error)) throw error;
      throw new Refused({ kind: "keys_unavailable" }, { cause: error });
    }
  }

  /** Never more than was meant: a namespace that cannot be known is no namespace to be let into. */
  #namespaceOf(payload: JWTPayload): Namespace {
    const { namespaceClaim, namespaceTemplate } = this.#settings;
    const outer = namespaceTemplate === null
      ? NO_NAMESPACE
      : fillNamespace(namespaceTemplate, payload);
    if (outer === null) throw invalidToken("the token has no claims for its namespace");
    if (!Object.hasOwn(payload, namespaceClaim)) return outer;
    const claimed = payload[namespaceClaim];
    const inner = typeof claimed === "string" ? parseNamespace(claimed) : "it is a text";
    if (typeof inner === "string") {
      throw invalidToken(`the token's namespace cannot be used: ${inner}`);
    }
    const nested = parseNamespace(nestedNamespace(outer, inner.namespace));
    if (typeof nested === "string") {
      throw invalidToken(`the token's namespace cannot be used: ${nested}`);
    }
    return nested.namespace;
  }

  #rulesOf(payload: JWTPayload): readonly Rule[] {
    const { claim, templates } = this.#settings;
    const claimed = Object.hasOwn(payload, claim) ? payload[claim] : undefined;
    const filled = templates.map((template) => fillTemplate(template, payload))
      .filter((rule) => rule !== null);
    if (claimed === undefined) return filled;
    const texts = typeof claimed === "string" ? splitRules(claimed) : claimed;
    if (!Array.isArray(texts) || !texts.every((text) => typeof text === "string")) {
      throw invalidToken("the claim with the token's rules holds something else");
    }
    const rules = parseRules(texts);
    if (typeof rules === "string") {
      throw invalidToken(`a rule of the token cannot be used: ${rules}`);
    }
    return [...rules, ...filled];
  }
}

/** The key and not the network is at fault: nothing changes by trying again. */
function isKeyProblem(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys || error instanceof errors.JOSENotSupported;
}

function refusedOf(error: unknown): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof errors.JWTExpired) return new Refused({ kind: "credentials_expired" });
  // Whatever else went wrong, such as a key of another type than the header says, is the token's fault.
  return invalidToken("the token is not one that this server accepts");
}

function invalidToken(message: string): Refused {
  return new Refused({ kind: "credentials_invalid", message });
}

function readPublicKey(text: string): JWK {
  try {
    const key: JWK = text.trimStart().startsWith("{")
      ? JSON.parse(text)
      : createPublicKey(text).export({ format: "jwk" }) as JWK;
    const { kty, crv, n, e, x, y } = key;
    if (kty !== "RSA" && kty !== "EC" && kty !== "OKP") throw new Error(`a ${String(kty)} key`);
    return Object.fromEntries(
      Object.entries({ kty, crv, n, e, x, y }).filter(([, value]) => value !== undefined),
    );
  } catch (cause) {
    throw new Error("the JWT public key is neither a PEM nor a JWK of RSA, EC or Ed25519", {
      cause,
    });
  }
}

/** A subject is the issuer's text, and goes into log lines. */
function printable(subject: unknown): string {
  // deno-lint-ignore no-control-regex
  return typeof subject === "string" ? subject.slice(0, 200).replace(/[\x00-\x1f\x7f]/g, "?") : "";
}

/** The content of a secret's file: base64url after `base64url:`, else the text as it stands. */
export function readSecret(text: string): Uint8Array {
  const trimmed = text.replace(/\r?\n$/, "");
  const encoded = /^base64url:([A-Za-z0-9_-]+)$/.exec(trimmed);
  return encoded === null ? Buffer.from(trimmed) : Buffer.from(encoded[1]!, "base64url");
}
