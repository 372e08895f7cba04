/** Requests that were answered, by what they were and by status. */

/** What a request was, as the labels of its metrics say it. `mode` is empty but for reads. */
export const REQUEST_KINDS = [
  { route: "other", mode: "" },
  { route: "append", mode: "" },
  { route: "create", mode: "" },
  { route: "delete", mode: "" },
  { route: "head", mode: "" },
  { route: "read", mode: "catch-up" },
  { route: "read", mode: "long-poll" },
  { route: "read", mode: "sse" },
  { route: "preflight", mode: "" },
  { route: "subscriptions", mode: "" },
  { route: "health", mode: "" },
  { route: "metrics", mode: "" },
] as const;

/** Statuses have three digits. */
const STATUSES = 1000;

export class RequestCounts {
  readonly #counts = new Float64Array(REQUEST_KINDS.length * STATUSES);

  /** @param kind an index of `REQUEST_KINDS` */
  add(kind: number, status: number): void {
    this.#counts[kind * STATUSES + status]!++;
  }

  /** Those that there were. */
  *entries(): Generator<{ route: string; mode: string; status: number; count: number }> {
    for (const [kind, { route, mode }] of REQUEST_KINDS.entries()) {
      for (let status = 100; status < STATUSES; status++) {
        const count = this.#counts[kind * STATUSES + status]!;
        if (count > 0) yield { route, mode, status, count };
      }
    }
  }
}
