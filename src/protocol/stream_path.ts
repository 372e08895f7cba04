/**
 * Stream paths. A stream's name is the decoded path below `/v1/stream/`; everything that two
 * proxies might read differently is refused rather than guessed at.
 */
import { invalid, type Result } from "../errors.ts";

export const STREAM_PREFIX = "/v1/stream/";

/** The first segment that subscriptions own (section 6). */
const RESERVED = "__ds";
/** UTF-8 bytes of a decoded path: it is a B-tree key. */
const LONGEST_PATH = 1024;
/** Segments of a request's path below `/v1/stream/`, at most, the control APIs' own included. */
export const MOST_SEGMENTS = 64;

// deno-lint-ignore no-control-regex
const FORBIDDEN = /[\x00-\x1f\x7f\ufffd]/;

const utf8 = new TextEncoder();

/**
 * @param rawPath the request's path as sent, without the query
 * @returns the stream's canonical path: its segments decoded, joined by `/`
 */
export function parseStreamPath(rawPath: string): Result<string> {
  if (!rawPath.startsWith(STREAM_PREFIX)) {
    return refuse(`a stream's path begins with ${STREAM_PREFIX}`);
  }
  const raw = rawPath.slice(STREAM_PREFIX.length);
  // The usual path needs none of what follows.
  if (/^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/.test(raw) && raw !== RESERVED) return bounded(raw);
  if (raw === "") return refuse("the stream's path is empty");
  if (/%2f|%5c|%00/i.test(raw)) return refuse("a path segment holds an encoded slash or NUL");
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch {
    return refuse("the path is not percent-encoded UTF-8");
  }
  if (FORBIDDEN.test(path) || path.includes("\\")) {
    return refuse("the path holds a control character or a backslash");
  }
  const segments = path.split("/");
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) {
    return refuse("a path segment is empty, . or ..");
  }
  if (segments.length > MOST_SEGMENTS) {
    return refuse(`the path has more than ${MOST_SEGMENTS} segments`);
  }
  if (segments[0] === RESERVED) return refuse(`paths under ${RESERVED}/ are reserved`);
  return bounded(path);
}

/**
 * A stream as a header names it: `name`, `/name`, the path of its URL, or its URL. Percent-encoded.
 * @param isOwnHost whether a host, as URLs have it, is this server's
 */
export function parseStreamReference(
  text: string,
  isOwnHost: (host: string) => boolean,
): Result<string> {
  if (/[?#]/.test(text)) return refuse("a stream's path has no query and no fragment");
  const url = /^https?:\/\/([^/@\\]+)(\/.*)$/i.exec(text);
  if (url === null) {
    const path = text.startsWith(STREAM_PREFIX) ? text : STREAM_PREFIX + text.replace(/^\//, "");
    return text.includes("://") ? refuse("not a URL of a stream") : parseStreamPath(path);
  }
  const [, host, path] = url as unknown as [string, string, string];
  if (isOwnHost(host)) return parseStreamPath(path);
  return { refusal: invalid("FOREIGN_STREAM", `${host.slice(0, 200)} is not this server`) };
}

/**
 * The stream of `streams/{path}/trim`, which is what follows `__ds/`; null for other paths.
 */
export function trimmedPath(controlPath: string): Result<string> | null {
  const match = /^streams\/(.+)\/trim$/.exec(controlPath);
  return match === null ? null : parseStreamPath(STREAM_PREFIX + match[1]!);
}

/** The URL path of a stream, percent-encoded. */
export function streamUrlPath(path: string): string {
  return STREAM_PREFIX + path.split("/").map(encodeURIComponent).join("/");
}

function bounded(path: string): Result<string> {
  if (path.length <= LONGEST_PATH / 3 || utf8.encode(path).length <= LONGEST_PATH) {
    return { value: path };
  }
  return refuse(`the path is longer than ${LONGEST_PATH} bytes`);
}

function refuse(message: string): Result<string> {
  return { refusal: invalid("INVALID_PATH", message) };
}
