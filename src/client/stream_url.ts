/** From the words a user types to the URL of a stream. */
import { usageError } from "./exit_codes.ts";

export const DEFAULT_URL = "http://127.0.0.1:4437/v1/stream";

/** @throws ClientError when it is no URL that streams can be below */
export function parseBaseUrl(text: string): URL {
  const url = parseHttpUrl(text);
  url.pathname = url.pathname.replace(/\/+$/, "");
  return url;
}

/**
 * `chat/42` below the base, each segment percent-encoded; a whole http URL as it is.
 *
 * `.`, `..` and empty segments are refused: `fetch` would resolve them, and `penstock rm a/../b`
 * would remove another stream than the one named.
 */
export function streamUrl(base: URL, path: string): URL {
  const whole = /^https?:\/\//i.test(path);
  const names = whole
    ? path.replace(/^[^/]*\/\/[^/?#]*\/?/, "").replace(/[?#].*$/, "").split("/")
    : path.replace(/^\//, "").split("/");
  if (names.some((name) => name === "" || /^(\.|%2e){1,2}$/i.test(name))) {
    throw usageError(`"${path}" is no stream's path: a segment is empty, . or ..`);
  }
  if (whole) return parseHttpUrl(path);
  let encoded: string;
  try {
    encoded = names.map(encodeURIComponent).join("/");
  } catch {
    throw usageError("the path holds half of a character");
  }
  return new URL(`${base.href.replace(/\/+$/, "")}/${encoded}`);
}

function parseHttpUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw usageError(`"${text}" is not a URL such as ${DEFAULT_URL}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw usageError(`"${url.protocol}" is not http: or https:`);
  }
  if (url.username !== "" || url.password !== "") {
    throw usageError("a URL with a user or a password is not taken: give a --token");
  }
  if (url.search !== "" || url.hash !== "") {
    throw usageError(`"${text}" has a query or a fragment: give the URL without it`);
  }
  return url;
}
