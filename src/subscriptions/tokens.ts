/**
 * Callback and claim tokens (sections 7.1, 7.2 and 12.9): JWTs, HMAC-signed, for one subscription
 * and one generation. They say whose wake a request means; whether that wake is still the current
 * one is for the database to say.
 */
import { errors, jwtVerify, SignJWT } from "jose";
import { Buffer } from "node:buffer";
import { namespaceOfName, NO_NAMESPACE, outerName, storedName } from "../access/namespaces.ts";
import type { KeyRing } from "./key_ring.ts";
import { Refused } from "../errors.ts";

/** A worker may extend its lease as long as this. */
const LIFETIME_MS = 24 * 3_600_000;

export class Tokens {
  readonly #keys: KeyRing;

  constructor(keys: KeyRing) {
    this.#keys = keys;
  }

  /** @param subscription its stored name: the token says which namespace that is in, and its id */
  async issue(subscription: string, generation: number): Promise<string> {
    const namespace = namespaceOfName(subscription);
    const id = outerName(namespace, subscription) ?? "";
    const { kid, jwk } = await this.#keys.current("token");
    const now = await this.#keys.clock.now();
    return await new SignJWT({ gen: generation, ...namespace === "" ? {} : { ns: namespace } })
      .setProtectedHeader({ alg: "HS256", kid })
      .setSubject(id)
      .setIssuedAt(new Date(now))
      .setExpirationTime(new Date(now + LIFETIME_MS))
      .sign(Buffer.from(jwk.k!, "base64url"));
  }

  /**
   * The generation a token is for, and the stored name of its subscription.
   * @param id of the subscription, as the request says it
   * @throws Refused `token_invalid` or `token_expired`
   */
  async verify(
    token: string,
    id: string,
  ): Promise<{ readonly generation: number; readonly name: string }> {
    const currentDate = new Date(await this.#keys.clock.now());
    try {
      const { payload } = await jwtVerify(
        token,
        async ({ kid }) => {
          const key = await this.#keys.find("token", kid ?? "");
          if (key === undefined) throw new errors.JWTInvalid("unknown key");
          return Buffer.from(key.jwk.k!, "base64url");
        },
        {
          algorithms: ["HS256"],
          subject: id,
          requiredClaims: ["exp", "gen"],
          currentDate,
        },
      );
      const { gen: generation, ns: namespace = NO_NAMESPACE } = payload;
      if (!Number.isSafeInteger(generation)) throw new errors.JWTInvalid("no generation");
      if (typeof namespace !== "string") throw new errors.JWTInvalid("no namespace");
      return { generation: generation as number, name: storedName(namespace, id) };
    } catch (error) {
      if (error instanceof errors.JWTExpired) {
        throw new Refused({ kind: "token_expired" });
      }
      if (error instanceof errors.JOSEError) {
        throw new Refused({
          kind: "token_invalid",
          message: "the token is not one for this subscription",
        });
      }
      throw error;
    }
  }
}
