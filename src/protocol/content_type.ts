/** Content types of streams (protocol section 9): which are the same, and which mean something. */

// RFC 9110, sections 5.6 and 8.3, in visible ASCII and spaces. The obsolete bytes above 0x7F and
// the tab are left out: a stream's content type is sent back in a header of ours.
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = String.raw`"(?:[ !#-\[\]-~]|\\[ -~])*"`;
const CONTENT_TYPE = new RegExp(
  `^${TOKEN}/${TOKEN}(?: *; *(?:${TOKEN}=(?:${TOKEN}|${QUOTED}))?)* *$`,
);

const MAX_LENGTH = 256;

/**
 * The media type alone, in lower case and without parameters. Content types are the same when
 * these are: `Text/Plain; charset=utf-8` and `text/plain`.
 */
export function normalizeContentType(value: string): string {
  const semicolon = value.indexOf(";");
  return (semicolon === -1 ? value : value.slice(0, semicolon)).trim().toLowerCase();
}

/** Whether messages have boundaries (section 9.1). `application/ndjson` and `+json` are bytes. */
export function isJsonMode(contentType: string): boolean {
  return normalizeContentType(contentType) === "application/json";
}

/** Whether SSE carries the stream as text; every other stream goes as base64 (section 5.8). */
export function isTextual(contentType: string): boolean {
  const mediaType = normalizeContentType(contentType);
  return mediaType.startsWith("text/") || mediaType === "application/json";
}

/** Whether `value` is a media type with or without parameters, in at most 256 characters. */
export function isValidContentType(value: string): boolean {
  return value.length <= MAX_LENGTH && CONTENT_TYPE.test(value);
}
