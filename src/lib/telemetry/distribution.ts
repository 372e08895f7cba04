/**
 * How measured values are distributed: counts by bucket and the sum, as a Prometheus histogram needs
 * them. An observation on the hot path costs a few comparisons and two additions, and no memory.
 */
export class Distribution {
  /** Upper bounds of the buckets, ascending; one more bucket takes what is larger. */
  readonly bounds: readonly number[];
  /** Observations in each bucket, those of smaller buckets not included. */
  readonly counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  get sum(): number {
    return this.#sum;
  }

  observe(value: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.#sum += value;
  }
}

/** Milliseconds, for what takes from a fraction of one to ten seconds. */
export const LATENCY_MS: readonly number[] = [
  ...[0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000, 2500, 5000, 10_000],
];

/** How many things come together, and how many bytes. */
export const COUNTS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];
export const BYTES: readonly number[] = [8, 10, 12, 14, 16, 18, 20, 22, 24].map((bits) =>
  2 ** bits
);
