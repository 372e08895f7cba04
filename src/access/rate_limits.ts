/**
 * How often a principal, or an address, may do what costs: counted by this node alone, in windows of
 * a second or a minute. Bytes are counted when they have come, so the body that goes beyond is taken.
 */
import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";
import type { AccessRefusal } from "../errors.ts";

/** What is counted: requests of three kinds, and the bytes of bodies of the first two. */
export const RATED = ["append", "create", "read", "bytes"] as const;
export type Rated = typeof RATED[number];

export interface Rate {
  /** Requests, or bytes, in a window. */
  readonly quota: number;
  readonly windowSeconds: number;
}

export type Rates = ReadonlyMap<Rated, Rate>;

const BY_METHOD: Readonly<Record<string, Rated>> = {
  POST: "append",
  PUT: "create",
  GET: "read",
  HEAD: "read",
};

const ADMITTED = Promise.resolve(null);

export class RateLimits {
  readonly #limiters = new Map<
    Rated,
    { readonly rate: Rate; readonly limiter: RateLimiterMemory }
  >();

  constructor(rates: Rates) {
    for (const [name, rate] of rates) {
      const { quota: points, windowSeconds: duration } = rate;
      this.#limiters.set(name, { rate, limiter: new RateLimiterMemory({ points, duration }) });
    }
  }

  /** Counts a request; why it is one too many, or null. */
  admit(account: string, method: string): Promise<AccessRefusal | null> {
    const name = BY_METHOD[method];
    if (name === undefined) return ADMITTED;
    const bytes = name === "read" ? undefined : this.#limiters.get("bytes");
    return bytes === undefined
      ? this.#count(account, name)
      : bytes.limiter.get(account).then((counted) =>
        counted !== null && counted.remainingPoints <= 0
          ? tooMany("bytes", bytes.rate, counted)
          : this.#count(account, name)
      );
  }

  #count(account: string, name: Rated): Promise<AccessRefusal | null> {
    const requests = this.#limiters.get(name);
    if (requests === undefined) return ADMITTED;
    return requests.limiter.consume(account).then(() => null, (result) => {
      if (result instanceof Error) throw result;
      return tooMany(name, requests.rate, result as RateLimiterRes);
    });
  }

  /** Counts a body that has come. */
  charge(account: string, bytes: number): void {
    void this.#limiters.get("bytes")?.limiter.penalty(account, bytes);
  }
}

function tooMany(policy: Rated, rate: Rate, { msBeforeNext }: RateLimiterRes): AccessRefusal {
  const retrySeconds = Math.max(1, Math.ceil(msBeforeNext / 1000));
  return { kind: "rate_limited", policy, ...rate, retrySeconds };
}
