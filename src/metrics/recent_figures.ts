/**
 * Distributions over the last seconds. Observations are only ever added up; what a distribution held
 * at the end of each second is kept for a while, and the difference from now is what came since.
 */
import type { Distribution } from "../lib/telemetry/distribution.ts";

/** How many seconds back the figures reach. */
export const RECENT_SECONDS = 10;

export interface Quantiles {
  readonly p50: number | null;
  readonly p99: number | null;
}

export class RecentFigures {
  readonly #distributions: readonly Distribution[];
  /** The counts of each distribution at the end of each of the last seconds, oldest first. */
  readonly #seconds: (readonly Float64Array[])[] = [];
  #nextAt = 0;

  constructor(distributions: readonly Distribution[]) {
    this.#distributions = distributions;
  }

  /** To be called more often than once a second. @param now milliseconds, of any steady clock */
  sample(now: number): void {
    if (now < this.#nextAt) return;
    this.#nextAt = now + 1000;
    this.#seconds.push(this.#distributions.map(({ counts }) => counts.slice()));
    if (this.#seconds.length > RECENT_SECONDS) this.#seconds.shift();
  }

  /** Null where nothing was observed in the last seconds, or the distribution is not among them. */
  quantile(distribution: Distribution, share: number): number | null {
    const before = this.#seconds[0]?.[this.#distributions.indexOf(distribution)];
    const counts = distribution.counts.map((count, bucket) => count - (before?.[bucket] ?? 0));
    return quantileOf(distribution.bounds, counts, share);
  }

  /** @param scale what the values are multiplied by: 1/1000 makes seconds of milliseconds */
  quantiles(distribution: Distribution, scale: number): Quantiles {
    const scaled = (share: number) => {
      const value = this.quantile(distribution, share);
      return value === null ? null : Number((value * scale).toPrecision(4));
    };
    return { p50: scaled(0.5), p99: scaled(0.99) };
  }

  /** Of a distribution of whole numbers, which a place between two of them is none of. */
  wholeQuantiles(distribution: Distribution): Quantiles {
    const whole = (share: number) => {
      const value = this.quantile(distribution, share);
      return value === null ? null : Math.ceil(value);
    };
    return { p50: whole(0.5), p99: whole(0.99) };
  }
}

/**
 * As Prometheus's histogram_quantile does it: values are taken to be spread evenly in a bucket, and
 * what is beyond the last bound counts as that bound.
 */
export function quantileOf(
  bounds: readonly number[],
  counts: ArrayLike<number>,
  share: number,
): number | null {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) total += counts[bucket]!;
  if (total === 0) return null;
  let below = 0;
  for (const [bucket, bound] of bounds.entries()) {
    const count = counts[bucket]!;
    if (count > 0 && below + count >= share * total) {
      const lower = bucket === 0 ? 0 : bounds[bucket - 1]!;
      return lower + (bound - lower) * (share * total - below) / count;
    }
    below += count;
  }
  return bounds.at(-1)!;
}
