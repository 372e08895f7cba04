/** What a load generator is told, and what it answers: the same for wrk and for our own. */

export interface RequestLoad {
  /** `http://host:port`. */
  readonly url: string;
  readonly method: "GET" | "POST" | "PUT";
  /** `{n}` in it is replaced by a number that goes around `paths`, or never repeats without. */
  readonly path: string;
  readonly paths?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bodyBytes?: number;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Answers that were neither 2xx nor 3xx, and connections that broke. */
  readonly errors: number;
  /** Appends of producers that overtook an earlier one, and were sent again; absent for others. */
  readonly retries?: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
  /** Absent for wrk, whose whole life is measured from outside. */
  readonly cpuMicros?: number;
}

export interface OwnOptions {
  /**
   * Idempotent producers, their names beginning so: so many connections belong to each, so that it
   * has as many requests on the way. Not pipelined in HTTP's sense: Bun cuts such a connection.
   */
  readonly producers?: { readonly name: string; readonly connectionsEach: number };
  /** Ends after so many requests, if `seconds` have not passed before. */
  readonly count?: number;
}
