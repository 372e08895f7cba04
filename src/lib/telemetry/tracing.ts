/**
 * What the code that serves requests tells of them to a trace. While tracing is off, `tracing.active`
 * is null, and a comparison with null is all that it costs; what sends spans is not even loaded.
 */

/** A request of which spans are recorded. */
export interface TracedRequest {
  /** What the span says of the request. */
  describe(head: RequestHead): void;
  /** Runs what handles the request: queries and shared work in it are this request's. */
  run<T>(work: () => T): T;
  /** The response has ended. */
  end(response: { readonly status: number; readonly bytes: number }): void;
}

/** What is known of a request when its head has arrived. Holds no query: that may be signed. */
export interface RequestHead {
  readonly requestId: string;
  readonly method: string;
  /** Percent-encoded, without the query. */
  readonly path: string;
  /** What the request is: `append`, `sse` and so on. */
  readonly mode: string;
  /** The other side of the connection. */
  readonly address: string;
}

export interface SharedWork {
  readonly name: string;
  /** The requests that it is done for; null for one that is not traced. */
  readonly requests: readonly (TracedRequest | null | undefined)[];
  readonly attributes: Readonly<Record<string, number>>;
}

export interface Tracing {
  /**
   * To be asked before anything is made for the trace: most requests may not be sampled.
   * @param parent the request's `traceparent` and `tracestate`
   * @returns null when the request is not sampled
   */
  beginRequest(
    parent: { get(name: string): string | null },
    name: string,
  ): TracedRequest | null;
  /** The request that the caller runs for; null: none that is traced. */
  currentRequest(): TracedRequest | null;
  /** Runs work that is done once for many requests, in a span that links to theirs. */
  share<T>(work: SharedWork, run: () => Promise<T>): Promise<T>;
  /** Begins the span of a statement. What is returned ends it; null: nothing is recorded. */
  beginQuery(statement: string): ((failed: boolean) => void) | null;
}

/** One per process, as there is one set of measurements. */
export const tracing: { active: Tracing | null } = { active: null };
