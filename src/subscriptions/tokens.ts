/**
 * Callback and claim tokens (sections 7.1, 7.2 and 12.9): JWTs, HMAC-signed, for one subscription
 * and one generation. They say whose wake a request means; whether that wake is still the current
 * one is for the database to say.
 */
import { errors, jwtVerify, SignJWT } from "jose";
import { Buffer } from "node:buffer";
import type { KeyRing } from "./key_ring.ts";
import { Refused } from "../errors.ts";

/** A worker may extend its lease as long as this. */
const LIFETIME_MS = 24 * 3_600_000;

export class Tokens {
  readonly #keys: KeyRing;

  constructor(keys: KeyRing) {
    this.#keys = keys;
  }

  async issue(subscription: string, generation: number): Promise<string> {
    const { kid, jwk } = await this.#keys.current("token");
    const now = await this.#keys.clock.now();
    return await new SignJWT({ gen: generation })
      .setProtectedHeader({ alg: "HS256", kid })
      .setSubject(subscription)
      .setIssuedAt(new Date(now))
      .setExpirationTime(new Date(now + LIFETIME_MS))
      .sign(Buffer.from(jwk.k!, "base64url"));
  }

  /**
   * The generation a token is for.
   * @throws Refused `token_invalid` or `token_expired`
   */
  async verify(token: string, subscription: string): Promise<number> {
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
          subject: subscription,
          requiredClaims: ["exp", "gen"],
          currentDate,
        },
      );
      if (!Number.isSafeInteger(payload.gen)) throw new errors.JWTInvalid("no generation");
      return payload.gen as number;
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
