/** Reports of what may happen any number of times: at most one a second of each kind. */

/** Milliseconds between two reports of a kind. */
const QUIET_MS = 1000;

export class ReportThrottle {
  readonly #quiet = new Map<string, { readonly until: number; suppressed: number }>();

  /**
   * Whether to report now: how many of this kind were left out since the last report, or null, where
   * this is one of them.
   * @param kind one of few: each is remembered
   */
  admit(kind: string): number | null {
    const quiet = this.#quiet.get(kind);
    const now = performance.now();
    if (quiet !== undefined && now < quiet.until) {
      quiet.suppressed++;
      return null;
    }
    this.#quiet.set(kind, { until: now + QUIET_MS, suppressed: 0 });
    return quiet?.suppressed ?? 0;
  }
}
