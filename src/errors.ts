/**
 * The closed union of the reasons to refuse a request. The protocol's parsers, streams,
 * subscriptions and the server itself return or throw these values, and know nothing of HTTP:
 * `http/error_responses.ts` is the one table that gives each its status, code and headers.
 */

export type Refusal =
  | StreamRefusal
  | SubscriptionRefusal
  | AccessRefusal
  | RequestRefusal
  | ServerRefusal;

/** What the state of a stream does not allow (sections 4 and 5). */
export type StreamRefusal =
  | { readonly kind: "not_found" }
  /** Soft-deleted: its path is taken, its bytes serve its forks only. */
  | { readonly kind: "gone" }
  /** The stream is closed, and ends there. */
  | { readonly kind: "closed"; readonly end: StreamEnd }
  /** The offset is of the stream that was at the path before, or of a fork's own part. */
  | { readonly kind: "offset_of_another_stream" }
  /** What lies before `earliest` was dropped. */
  | { readonly kind: "trimmed"; readonly earliest: StreamEnd }
  | { readonly kind: "content_type_mismatch"; readonly expected: string }
  /** Stream-Seq is not greater than the last one accepted. */
  | { readonly kind: "sequence_regression" }
  /** A newer epoch of this producer has written. `end` is that of a closed stream. */
  | { readonly kind: "stale_epoch"; readonly epoch: number; readonly end: StreamEnd | null }
  | { readonly kind: "sequence_gap"; readonly expected: number; readonly received: number }
  /** A close with a Producer-Seq that has been used for something else. */
  | { readonly kind: "sequence_reused"; readonly expected: number; readonly received: number }
  /** PUT: what exists differs from what was asked for. */
  | { readonly kind: "conflict"; readonly message: string };

/** An offset of a stream, such as that at which a closed one ends, as `encodeOffset` takes it. */
export interface StreamEnd {
  readonly position: number;
  readonly generation: number;
}

/** What the state of a subscription does not allow (sections 6 and 7). */
export type SubscriptionRefusal =
  | { readonly kind: "subscription_not_found" }
  | { readonly kind: "subscription_exists" }
  | { readonly kind: "token_invalid"; readonly message: string }
  | { readonly kind: "token_expired" }
  /** Another worker holds the lease. */
  | { readonly kind: "already_claimed"; readonly holder: string; readonly generation: number }
  | { readonly kind: "no_pending_work" }
  | { readonly kind: "ack_offset_invalid"; readonly message: string }
  /** The wake that the request means is no longer the current one. */
  | { readonly kind: "fenced" };

/** What access control does not allow, whether or not there is anything at the request's path. */
export type AccessRefusal =
  /** The request brings no credentials, and needs some. */
  | { readonly kind: "unauthenticated" }
  /** What it brings is no valid token. */
  | { readonly kind: "credentials_invalid"; readonly message: string }
  | { readonly kind: "credentials_expired" }
  /** `operation` is one that rules name; no rule allows it here. */
  | { readonly kind: "forbidden"; readonly operation: string }
  /** More in a time than `--rate` allows. */
  | {
    readonly kind: "rate_limited";
    readonly policy: string;
    readonly quota: number;
    readonly windowSeconds: number;
    readonly retrySeconds: number;
  }
  /** The namespace would hold more than its quota, which is `limit` streams or bytes. */
  | { readonly kind: "quota_exceeded"; readonly quota: "streams" | "bytes"; readonly limit: number }
  /** `limit` live reads go on. */
  | { readonly kind: "too_many_live"; readonly limit: number }
  /** The keys that would verify a JWT cannot be fetched. */
  | { readonly kind: "keys_unavailable" }
  | { readonly kind: "access_token_exists" }
  | { readonly kind: "access_token_not_found" }
  /** `limit` tokens are stored. */
  | { readonly kind: "access_tokens_full"; readonly limit: number }
  | { readonly kind: "url_key_not_found" }
  /** `limit` keys of signed URLs are stored. */
  | { readonly kind: "url_keys_full"; readonly limit: number };

/** What is wrong with the request itself, whatever the state of anything. */
export type RequestRefusal =
  | { readonly kind: "invalid"; readonly code: InvalidCode; readonly message: string }
  /** There is nothing at this path, and never will be. */
  | { readonly kind: "unknown_path"; readonly message: string }
  /** `allowed` as an Allow header has it: `GET, HEAD`. */
  | { readonly kind: "method_not_allowed"; readonly allowed: string }
  /** This server is not known by the host that the request names. */
  | { readonly kind: "misdirected"; readonly host: string }
  /** A web page of this origin may not do that here. */
  | { readonly kind: "foreign_origin"; readonly origin: string }
  /** The body is coded, by the Content-Encoding that is named. */
  | { readonly kind: "coded_body"; readonly coding: string }
  /** `limit` in bytes. */
  | { readonly kind: "body_too_large"; readonly limit: number }
  /** The client went away, or broke off, before its body was complete. Nothing of it counts. */
  | { readonly kind: "body_broken"; readonly message: string }
  /** The body did not arrive in its time. Nothing of it counts. */
  | { readonly kind: "body_too_slow" };

/** What can be wrong with a request, as the `code` of its 400 says it; see docs/errors.md. */
export type InvalidCode =
  | "EMPTY_ARRAY"
  | "EMPTY_BODY"
  | "EPOCH_MUST_START_AT_ZERO"
  | "FOREIGN_STREAM"
  | "FORK_CHAIN_TOO_LONG"
  | "FORK_OFFSET_BEYOND_TAIL"
  | "FORK_SUB_OFFSET_BEYOND_TAIL"
  | "INCOMPLETE_PRODUCER"
  | "INVALID_BEFORE"
  | "INVALID_CONTENT_TYPE"
  | "INVALID_EXPIRES_AT"
  | "INVALID_FORK_OFFSET"
  | "INVALID_FORK_SUB_OFFSET"
  | "INVALID_JSON"
  | "INVALID_LABEL"
  | "INVALID_LIVE"
  | "INVALID_OFFSET"
  | "INVALID_PATH"
  | "INVALID_PRODUCER"
  | "INVALID_PRODUCER_ID"
  | "INVALID_REQUEST"
  | "INVALID_RETENTION"
  | "INVALID_STREAM_SEQ"
  | "INVALID_TAIL"
  | "INVALID_TARGET"
  | "INVALID_TTL"
  | "JSON_TOO_DEEP"
  | "MISSING_CONTENT_TYPE"
  | "MISSING_FORK_SOURCE"
  | "MISSING_OFFSET"
  | "OFFSET_BEYOND_TAIL"
  | "OFFSET_INSIDE_MESSAGE"
  | "PRODUCER_LIMIT_REACHED"
  | "TTL_AND_EXPIRES_AT"
  | "WAKE_STREAM_CLOSED"
  | "WAKE_STREAM_NOT_FOUND"
  | "WAKE_STREAM_NOT_JSON"
  | "WEBHOOK_URL_REJECTED";

/** Why the server cannot do now what it could do at another time. */
export type ServerRefusal =
  /** More is in progress than this node takes on. Nothing has been done. */
  | { readonly kind: "overloaded"; readonly message: string }
  | { readonly kind: "database_unavailable" }
  /** The database answers, and is out of memory or locks. */
  | { readonly kind: "database_exhausted" }
  /** The node has been told to stop. */
  | { readonly kind: "draining" }
  /** The embedded database has one session: a dump of it would keep everybody else waiting. */
  | { readonly kind: "no_snapshot" };

/** A value, or why there is none. */
export type Result<T> = { readonly value: T } | { readonly refusal: Refusal };

/** A refusal thrown through layers that return something else. */
export class Refused extends Error {
  override name = "Refused";
  constructor(readonly refusal: Refusal, options?: ErrorOptions) {
    super("message" in refusal ? refusal.message : refusal.kind, options);
  }
}

/** What is full when a request is turned away, as metrics name it. */
export type TurnedAwayBy =
  | "append_queue"
  | "read_queue"
  | "creation_queue"
  | "request_bodies"
  | "pages"
  | "followers"
  | "other";

/**
 * More is in progress than this node takes on: nothing has been done, and trying again later helps.
 * HTTP: 503 with Retry-After.
 */
export class Overloaded extends Refused {
  override name = "Overloaded";
  /** @param by what is full, as metrics name it */
  constructor(message: string, readonly by: TurnedAwayBy = "other") {
    super({ kind: "overloaded", message });
  }
}

/** The request itself is wrong. HTTP: 400 with this code. */
export function invalid(code: InvalidCode, message: string): Refusal & { kind: "invalid" } {
  return { kind: "invalid", code, message };
}

/** As `invalid`, of a request to the control APIs (section 6.1). */
export function invalidRequest(message: string): Refused {
  return new Refused(invalid("INVALID_REQUEST", message));
}
