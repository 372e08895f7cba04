/** The protocol's header names (section 11) and how their values are read. */
import { type Offset, parseOffset } from "./offset.ts";
import { invalid, type InvalidCode, type Refusal, type Result } from "../errors.ts";
import { isValidContentType } from "./content_type.ts";

export const NEXT_OFFSET = "Stream-Next-Offset";
/** An extension: where an earlier page ends. */
export const PREVIOUS_OFFSET = "Stream-Previous-Offset";
export const UP_TO_DATE = "Stream-Up-To-Date";
export const CLOSED = "Stream-Closed";
export const CURSOR = "Stream-Cursor";
export const SEQ = "Stream-Seq";
export const TTL = "Stream-TTL";
export const EXPIRES_AT = "Stream-Expires-At";
/** Extensions; see docs/extensions.md. */
export const RETENTION = "Stream-Retention";
export const EARLIEST_OFFSET = "Stream-Earliest-Offset";
export const FORKED_FROM = "Stream-Forked-From";
export const FORK_OFFSET = "Stream-Fork-Offset";
export const FORK_SUB_OFFSET = "Stream-Fork-Sub-Offset";
export const PRODUCER_ID = "Producer-Id";
export const PRODUCER_EPOCH = "Producer-Epoch";
export const PRODUCER_SEQ = "Producer-Seq";
export const PRODUCER_EXPECTED_SEQ = "Producer-Expected-Seq";
export const PRODUCER_RECEIVED_SEQ = "Producer-Received-Seq";
export const SSE_DATA_ENCODING = "stream-sse-data-encoding";

/** What a browser's script may send. */
export const REQUEST_HEADERS = [
  "Content-Type",
  "Authorization",
  "If-None-Match",
  "Last-Event-ID",
  // What browsers' tracing adds (W3C Trace Context and Baggage).
  "traceparent",
  "tracestate",
  "baggage",
  "X-Request-Id",
  SEQ,
  TTL,
  EXPIRES_AT,
  RETENTION,
  CLOSED,
  FORKED_FROM,
  FORK_OFFSET,
  FORK_SUB_OFFSET,
  PRODUCER_ID,
  PRODUCER_EPOCH,
  PRODUCER_SEQ,
];

/** What a browser's script may read. */
export const RESPONSE_HEADERS = [
  NEXT_OFFSET,
  PREVIOUS_OFFSET,
  UP_TO_DATE,
  CLOSED,
  CURSOR,
  TTL,
  EXPIRES_AT,
  RETENTION,
  EARLIEST_OFFSET,
  PRODUCER_EPOCH,
  PRODUCER_SEQ,
  PRODUCER_EXPECTED_SEQ,
  PRODUCER_RECEIVED_SEQ,
  SSE_DATA_ENCODING,
  "ETag",
  "Content-Type",
  "Location",
  "Retry-After",
  "RateLimit",
  "RateLimit-Policy",
  "X-Request-Id",
];

/** Longest Producer-Id and Stream-Seq, characters: both are kept in rows and indexes. */
const LONGEST_TOKEN = 512;
/** A century of seconds: more is a mistake, and far more overflows Postgres's intervals. */
const LONGEST_TTL = 3_155_760_000;

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/;
const RFC3339 =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

/** Section 5.1: seconds, decimal, without sign, point, exponent or leading zeros. */
export function parseTtl(text: string | null): Result<number | null> {
  if (text === null) return { value: null };
  if (!/^(0|[1-9]\d{0,15})$/.test(text)) {
    return refuse("INVALID_TTL", `${TTL} is a whole number of seconds, without leading zeros`);
  }
  const seconds = Number(text);
  if (seconds > LONGEST_TTL) return refuse("INVALID_TTL", `${TTL} is at most ${LONGEST_TTL}`);
  return { value: seconds };
}

/** An RFC 3339 timestamp, as milliseconds since 1970. */
export function parseExpiresAt(text: string | null): Result<number | null> {
  if (text === null) return { value: null };
  const milliseconds = RFC3339.test(text) && dayExists(text) ? Date.parse(text.toUpperCase()) : NaN;
  if (Number.isNaN(milliseconds)) {
    return refuse("INVALID_EXPIRES_AT", `${EXPIRES_AT} is an RFC 3339 timestamp`);
  }
  return { value: milliseconds };
}

export function parseContentType(text: string | null): Result<string | null> {
  if (text === null || text.trim() === "") return { value: null };
  return isValidContentType(text)
    ? { value: text.trim() }
    : refuse("INVALID_CONTENT_TYPE", "Content-Type is not a media type");
}

/** `Date.parse` takes the 31st of February for the 3rd of March. */
function dayExists(timestamp: string): boolean {
  const [year, month, day] = timestamp.slice(0, 10).split("-").map(Number) as [
    number,
    number,
    number,
  ];
  const days = new Date(0);
  days.setUTCFullYear(year, month, 0);
  return day <= days.getUTCDate();
}

/** Only `true` closes (section 4.1); anything else is as if the header were not there. */
export function parseClosed(text: string | null): boolean {
  return text !== null && text.toLowerCase() === "true";
}

/** Opaque, compared byte-wise. */
export function parseStreamSeq(text: string | null): Result<string | null> {
  return text === null ? { value: null } : token(SEQ, text);
}

/** All three headers or none (section 5.2.1). */
export function parseProducer(
  id: string | null,
  epoch: string | null,
  seq: string | null,
): Result<{ id: string; epoch: number; seq: number } | null> {
  if (id === null && epoch === null && seq === null) return { value: null };
  if (id === null || epoch === null || seq === null) {
    return refuse(
      "INCOMPLETE_PRODUCER",
      `${PRODUCER_ID}, ${PRODUCER_EPOCH} and ${PRODUCER_SEQ} come together`,
    );
  }
  const name = token(PRODUCER_ID, id);
  if ("refusal" in name) return name;
  const epochNumber = counter(epoch);
  const seqNumber = counter(seq);
  if (epochNumber === null || seqNumber === null) {
    return refuse(
      "INVALID_PRODUCER",
      `${PRODUCER_EPOCH} and ${PRODUCER_SEQ} are whole numbers from 0 to 2^53-1`,
    );
  }
  return { value: { id: name.value, epoch: epochNumber, seq: seqNumber } };
}

/** An offset of the source; null: its tail. */
export function parseForkOffset(text: string | null): Result<Offset | null> {
  if (text === null) return { value: null };
  const offset = parseOffset(text);
  if (offset === null) return refuse("INVALID_FORK_OFFSET", `${FORK_OFFSET} is not an offset`);
  if (offset.kind === "now") return { value: null };
  if (offset.kind === "start") return { value: { position: 0, generation: 0 } };
  const { position, generation } = offset;
  return { value: { position, generation } };
}

export function parseForkSubOffset(text: string | null): Result<number> {
  if (text === null) return { value: 0 };
  const value = /^(0|[1-9]\d*)$/.test(text) ? counter(text) : null;
  return value === null
    ? refuse("INVALID_FORK_SUB_OFFSET", `${FORK_SUB_OFFSET} is a whole number`)
    : { value };
}

/** A whole number from 0 to 2^53-1, or null. */
function counter(text: string): number | null {
  if (!/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

function token(
  header: typeof SEQ | typeof PRODUCER_ID,
  text: string,
): Result<string> {
  if (text === "" || text.length > LONGEST_TOKEN || CONTROL.test(text)) {
    return refuse(
      header === SEQ ? "INVALID_STREAM_SEQ" : "INVALID_PRODUCER_ID",
      `${header} is 1 to ${LONGEST_TOKEN} characters, none of them a control character`,
    );
  }
  return { value: text };
}

function refuse(code: InvalidCode, message: string): { refusal: Refusal } {
  return { refusal: invalid(code, message) };
}
