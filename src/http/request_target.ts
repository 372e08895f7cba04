/**
 * The path and query of a request as they were sent. A proxy decides by the target that it forwards,
 * so the server has to serve exactly that one: nothing is resolved, and what is ambiguous is refused.
 */
import { invalid, type Refusal, type Result } from "../errors.ts";

export interface RequestTarget {
  /** Begins with a slash. Percent-encoded as it was sent. */
  readonly path: string;
  /** What follows `?`, or "". */
  readonly query: string;
  /** The authority that the request is for, `host` or `host:port`; null where it names none. */
  readonly host: string | null;
}

/** `host` or `host:port`: a name, an IPv4 address, or an IPv6 address in brackets (RFC 9110, 7.2). */
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~-]{1,255})(?::\d{0,5})?$/;

/** The last authority that was found valid: nearly all requests name the same. */
let lastValid = "";

/**
 * @param url a runtime's `request.url`: the authority and the target as sent, or the target alone
 * @param host the Host header. HTTP/1.0 needs none.
 */
export function parseTarget(url: string, host: string | null): Result<RequestTarget> {
  if (host !== null && host !== "") {
    if (!isAuthority(host)) return refuse("Host is not host[:port]");
    // The same text as that of the request before, whose hash is known already.
    host = lastValid;
  }
  if (url.startsWith("/")) return split(url, 0, host);
  const scheme = url.startsWith("http://") ? 7 : url.startsWith("https://") ? 8 : 0;
  if (scheme === 0) return refuse("the request's target is neither a path nor an http URL");
  const start = url.indexOf("/", scheme);
  if (start === -1) return { value: { path: "/", query: "", host } };
  // A target that is a URL names the authority itself, and goes before Host (RFC 9112, 3.2.2).
  if (
    host !== null && host !== "" && start === scheme + host.length && url.startsWith(host, scheme)
  ) {
    return split(url, start, host);
  }
  const authority = url.slice(scheme, start);
  if (!isAuthority(authority)) return refuse("the request's authority is not host[:port]");
  return split(url, start, host === null || host === "" ? null : authority);
}

function isAuthority(text: string): boolean {
  if (text === lastValid) return true;
  if (!AUTHORITY.test(text)) return false;
  lastValid = text;
  return true;
}

function split(url: string, start: number, host: string | null): Result<RequestTarget> {
  // RFC 9112 has no fragment in a target: proxies cut it off or keep it.
  if (url.includes("#", start)) return refuse("the request's target holds a #");
  const question = url.indexOf("?", start);
  return {
    value: question === -1
      ? { path: url.slice(start), query: "", host }
      : { path: url.slice(start, question), query: url.slice(question + 1), host },
  };
}

function refuse(message: string): { readonly refusal: Refusal } {
  return { refusal: invalid("INVALID_TARGET", message) };
}
