/** The one table from refusals to HTTP: status, code, message and headers of each. */
import { type Refusal, Refused } from "../errors.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
import { normalizeContentType } from "../protocol/content_type.ts";
import { encodeOffset, type Offset } from "../protocol/offset.ts";
import {
  CLOSED,
  EARLIEST_OFFSET,
  NEXT_OFFSET,
  PRODUCER_EPOCH,
  PRODUCER_EXPECTED_SEQ,
  PRODUCER_RECEIVED_SEQ,
} from "../protocol/headers.ts";
import { DatabaseExhausted, DatabaseUnavailable } from "../storage/database.ts";
import { type HeaderList, NO_STORE, respond } from "./respond.ts";

/** An error as HTTP says it. */
interface ErrorAnswer {
  readonly status: number;
  /** Machine-readable; codes never change their meaning. */
  readonly code: string;
  readonly message: string;
  readonly headers?: HeaderList;
  /** Further members of the body's `error`. */
  readonly details?: Readonly<Record<string, string | number>>;
}

type Table = {
  readonly [Kind in Refusal["kind"]]: (
    refusal: Extract<Refusal, { kind: Kind }>,
  ) => ErrorAnswer;
};

const RETRY_AFTER: HeaderList = [["Retry-After", "1"]];
const BEARER: HeaderList = [["WWW-Authenticate", "Bearer"]];

/** RFC 6750, section 3.1. */
function challenge(error: string, more = ""): HeaderList {
  return [["WWW-Authenticate", `Bearer realm="penstock", error="${error}"${more}`]];
}

const ANSWERS: Table = {
  not_found: () => ({
    status: 404,
    code: "STREAM_NOT_FOUND",
    message: "Stream not found: there is none at this path",
  }),
  gone: () => ({
    status: 410,
    code: "STREAM_GONE",
    message: "Stream is gone: it was deleted, and forks still read it",
  }),
  closed: ({ end }) => ({
    status: 409,
    code: "STREAM_CLOSED",
    message: "Stream is closed",
    headers: closedAt(end),
  }),
  offset_of_another_stream: () => ({
    status: 410,
    code: "OFFSET_OF_ANOTHER_STREAM",
    message: "the offset is of a stream that was here before, or of another: begin again at -1",
  }),
  trimmed: ({ earliest }) => ({
    status: 410,
    code: "OFFSET_TRIMMED",
    message: "what is at this offset was dropped: begin again at -1, or at Stream-Earliest-Offset",
    headers: [[EARLIEST_OFFSET, encodeOffset(earliest)]],
  }),
  content_type_mismatch: ({ expected }) => ({
    status: 409,
    code: "CONTENT_TYPE_MISMATCH",
    message: explainMismatch(expected),
  }),
  sequence_regression: () => ({
    status: 409,
    code: "SEQUENCE_REGRESSION",
    message: "Sequence conflict: Stream-Seq is not greater than the last one accepted",
  }),
  stale_epoch: ({ epoch, end }) => ({
    status: 403,
    code: "STALE_EPOCH",
    message: "Stale epoch: a newer epoch of this producer has written",
    headers: [[PRODUCER_EPOCH, String(epoch)], ...end === null ? [] : closedAt(end)],
  }),
  sequence_gap: (sequence) => ({
    status: 409,
    code: "SEQUENCE_GAP",
    message:
      `Sequence conflict: expected Producer-Seq ${sequence.expected}, received ${sequence.received}`,
    headers: sequenceHeaders(sequence),
  }),
  sequence_reused: (sequence) => ({
    status: 409,
    code: "SEQUENCE_REUSED",
    message: "Sequence conflict: " +
      `Producer-Seq ${sequence.received} was not a close: close with ${sequence.expected}`,
    headers: sequenceHeaders(sequence),
  }),
  conflict: ({ message }) => ({ status: 409, code: "CONFLICT", message }),

  subscription_not_found: () => ({
    status: 404,
    code: "SUBSCRIPTION_NOT_FOUND",
    message: "there is no such subscription",
  }),
  subscription_exists: () => ({
    status: 409,
    code: "SUBSCRIPTION_ALREADY_EXISTS",
    message: "a subscription with this id and another configuration exists",
  }),
  token_invalid: ({ message }) => ({
    status: 401,
    code: "TOKEN_INVALID",
    message,
    headers: BEARER,
  }),
  token_expired: () => ({
    status: 401,
    code: "TOKEN_EXPIRED",
    message: "the token has expired",
    headers: BEARER,
  }),
  already_claimed: ({ holder, generation }) => ({
    status: 409,
    code: "ALREADY_CLAIMED",
    message: "another worker holds the lease",
    details: { current_holder: holder, generation },
  }),
  no_pending_work: () => ({
    status: 409,
    code: "NO_PENDING_WORK",
    message: "there is nothing to do",
  }),
  ack_offset_invalid: ({ message }) => ({ status: 409, code: "INVALID_OFFSET", message }),
  fenced: () => ({
    status: 409,
    code: "FENCED",
    message: "this wake is no longer the subscription's current one",
  }),

  unauthenticated: () => ({
    status: 401,
    code: "UNAUTHENTICATED",
    message: "this needs Authorization: Bearer <token>",
    headers: [["WWW-Authenticate", 'Bearer realm="penstock"']],
  }),
  credentials_invalid: ({ message }) => ({
    status: 401,
    code: "CREDENTIALS_INVALID",
    message,
    headers: challenge("invalid_token"),
  }),
  credentials_expired: () => ({
    status: 401,
    code: "CREDENTIALS_EXPIRED",
    message: "the access token has expired",
    headers: challenge("invalid_token", ', error_description="expired"'),
  }),
  forbidden: ({ operation }) => ({
    status: 403,
    code: "FORBIDDEN",
    message: `no rule allows "${operation}" here`,
    headers: challenge("insufficient_scope", `, scope="${operation}"`),
  }),
  rate_limited: ({ policy, quota, windowSeconds, retrySeconds }) => ({
    status: 429,
    code: "RATE_LIMITED",
    message: `more than ${quota} (${policy}) in ${windowSeconds} s: try again in ${retrySeconds} s`,
    headers: [
      ["Retry-After", String(retrySeconds)],
      // draft-ietf-httpapi-ratelimit-headers: structured fields.
      [
        "RateLimit-Policy",
        `"${policy}";q=${quota};w=${windowSeconds}${
          policy === "bytes" ? ';qu="content-bytes"' : ""
        }`,
      ],
      ["RateLimit", `"${policy}";r=0;t=${retrySeconds}`],
    ],
  }),
  quota_exceeded: ({ quota, limit }) => ({
    status: 403,
    code: "QUOTA_EXCEEDED",
    message: `the namespace may hold ${limit} ${quota}, and this would be more: delete some`,
  }),
  too_many_live: ({ limit }) => ({
    status: 429,
    code: "TOO_MANY_LIVE_READS",
    message: `${limit} long-polls and SSE connections are open already: end some`,
    headers: RETRY_AFTER,
  }),
  keys_unavailable: () => ({
    status: 503,
    code: "KEYS_UNAVAILABLE",
    message: "the keys that verify this token cannot be fetched; try again",
    headers: RETRY_AFTER,
  }),
  access_token_exists: () => ({
    status: 409,
    code: "ACCESS_TOKEN_EXISTS",
    message: "a token of this name exists: revoke it first, or choose another name",
  }),
  access_token_not_found: () => ({
    status: 404,
    code: "ACCESS_TOKEN_NOT_FOUND",
    message: "there is no token of this name that you may revoke",
  }),
  access_tokens_full: ({ limit }) => ({
    status: 409,
    code: "TOO_MANY_ACCESS_TOKENS",
    message: `there are ${limit} access tokens: revoke some, or use JWTs`,
  }),
  url_key_not_found: () => ({
    status: 404,
    code: "URL_KEY_NOT_FOUND",
    message: "there is no key of this id that you may revoke",
  }),
  url_keys_full: ({ limit }) => ({
    status: 409,
    code: "TOO_MANY_URL_KEYS",
    message: `there are ${limit} keys of signed URLs: revoke some`,
  }),

  invalid: ({ code, message }) => ({ status: 400, code, message }),
  unknown_path: ({ message }) => ({ status: 404, code: "NOT_FOUND", message }),
  method_not_allowed: ({ allowed }) => ({
    status: 405,
    code: "METHOD_NOT_ALLOWED",
    message: `the methods here are ${allowed}`,
    headers: [["Allow", allowed]],
  }),
  misdirected: ({ host }) => ({
    status: 421,
    code: "MISDIRECTED_REQUEST",
    message: `this server is not known as ${host}: --allowed-hosts or --public-url admit a name`,
  }),
  foreign_origin: ({ origin }) => ({
    status: 403,
    code: "FOREIGN_ORIGIN",
    message: `pages of ${origin} may not write here: --cors-origins admits them`,
  }),
  coded_body: ({ coding }) => ({
    status: 415,
    code: "UNSUPPORTED_CONTENT_ENCODING",
    message: `the body is stored as it is sent: send it without Content-Encoding: ${coding}`,
    headers: [["Accept-Encoding", "identity"]],
  }),
  body_too_large: ({ limit }) => ({
    status: 413,
    code: "BODY_TOO_LARGE",
    message: `a body is at most ${limit} bytes`,
  }),
  body_broken: ({ message }) => ({ status: 400, code: "BODY_BROKEN", message }),
  body_too_slow: () => ({
    status: 408,
    code: "BODY_TOO_SLOW",
    message: "the body took too long",
    headers: [["Connection", "close"]],
  }),

  overloaded: ({ message }) => ({
    status: 503,
    code: "OVERLOADED",
    message: `${message}; try again`,
    headers: RETRY_AFTER,
  }),
  no_snapshot: () => ({
    status: 501,
    code: "SNAPSHOT_UNSUPPORTED",
    message: "the embedded database is dumped by penstock dump --data-dir, with the server stopped",
  }),
  database_unavailable: () => ({
    status: 503,
    code: "DATABASE_UNAVAILABLE",
    message: "the database does not answer; try again",
    headers: RETRY_AFTER,
  }),
  database_exhausted: () => ({
    status: 503,
    code: "DATABASE_EXHAUSTED",
    message: "the database is out of memory or locks; try again",
    headers: RETRY_AFTER,
  }),
  draining: () => ({ status: 503, code: "DRAINING", message: "this node is draining" }),
};

/** What `curl -d` calls a body of which nothing else is said. */
const FORM = "application/x-www-form-urlencoded";

function explainMismatch(expected: string): string {
  const message = `Content-type mismatch: the stream's content type is ${expected}`;
  if (normalizeContentType(expected) !== FORM) return message;
  return `${message}, which \`curl -d\` sends unless told -H 'Content-Type: …'. ` +
    "A stream keeps the type it was created with: append with that one, or create another stream";
}

function closedAt(end: Offset): HeaderList {
  return [[CLOSED, "true"], [NEXT_OFFSET, encodeOffset(end)]];
}

function sequenceHeaders(
  { expected, received }: { readonly expected: number; readonly received: number },
): HeaderList {
  return [
    [PRODUCER_EXPECTED_SEQ, String(expected)],
    [PRODUCER_RECEIVED_SEQ, String(received)],
  ];
}

/** What an error refuses, or null for one that nobody foresaw. */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof Refused) return error.refusal;
  if (error instanceof DatabaseExhausted) return { kind: "database_exhausted" };
  return error instanceof DatabaseUnavailable ? { kind: "database_unavailable" } : null;
}

/** An error response with its machine-readable body; the runtime leaves the body of HEAD out. */
export function respondRefusal(refusal: Refusal): Response {
  measurements.refuse(refusal.kind);
  const answer = ANSWERS[refusal.kind] as (refusal: Refusal) => ErrorAnswer;
  return respondError(answer(refusal));
}

/** 405. @param allowed the methods that the resource has */
export function respondMethodNotAllowed(allowed: string): Response {
  return respondRefusal({ kind: "method_not_allowed", allowed });
}

/** 500, of an error that nobody foresaw. */
export function respondInternal(): Response {
  return respondError({
    status: 500,
    code: "INTERNAL",
    message: "something went wrong on this server",
  });
}

function respondError({ status, code, message, headers = [], details }: ErrorAnswer): Response {
  return respond(
    status,
    [["Content-Type", "application/json"], ["Cache-Control", NO_STORE], ...headers],
    JSON.stringify({ error: { code, message, ...details } }),
  );
}
