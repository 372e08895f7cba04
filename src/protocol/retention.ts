/**
 * How long a stream keeps its bytes, as the header `Stream-Retention` says it: a Dictionary of
 * Integers (RFC 9651), `age=604800, bytes=10737418240`. An extension; see docs/extensions.md.
 */
import { invalid, type Result } from "../errors.ts";

/** Limits, one of them at least; null: there is none. */
export interface Retention {
  /** What was appended longer ago than so many seconds is dropped. */
  readonly ageSeconds: number | null;
  /** The stream keeps at least so many bytes of its end, and not much more. */
  readonly bytes: number | null;
}

/** A century, as of a TTL. */
export const LONGEST_AGE = 3_155_760_000;
/** The largest Integer of a structured field. */
export const MOST_BYTES = 999_999_999_999_999;

const RULE = "Stream-Retention is age=<seconds>, bytes=<count>, or one of the two";

/** Null where there is no such header. Members that are not known, and those given twice, are refused. */
export function parseRetention(text: string | null): Result<Retention | null> {
  if (text === null) return { value: null };
  const limits = new Map<string, number>();
  for (const member of text.split(",")) {
    const match = /^[ \t]*(age|bytes)=(\d{1,15})[ \t]*$/.exec(member);
    if (match === null || limits.has(match[1]!)) return refuse(RULE);
    limits.set(match[1]!, Number(match[2]));
  }
  const retention = {
    ageSeconds: limits.get("age") ?? null,
    bytes: limits.get("bytes") ?? null,
  };
  const problem = problemOf(retention);
  return problem === null ? { value: retention } : refuse(problem);
}

/** What is wrong with the limits, or null. */
export function problemOf({ ageSeconds, bytes }: Retention): string | null {
  if (ageSeconds !== null && (ageSeconds < 1 || ageSeconds > LONGEST_AGE)) {
    return `the age is from 1 to ${LONGEST_AGE} seconds`;
  }
  return bytes !== null && (bytes < 1 || bytes > MOST_BYTES)
    ? `the bytes are from 1 to ${MOST_BYTES}`
    : null;
}

/** As `parseRetention` reads it. */
export function formatRetention({ ageSeconds, bytes }: Retention): string {
  return [
    ...ageSeconds === null ? [] : [`age=${ageSeconds}`],
    ...bytes === null ? [] : [`bytes=${bytes}`],
  ].join(", ");
}

function refuse(message: string): Result<never> {
  return { refusal: invalid("INVALID_RETENTION", message) };
}
