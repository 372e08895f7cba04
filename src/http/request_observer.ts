/** What every request leaves behind: a count, and a line where requests are logged. */
import { measurements } from "../lib/telemetry/measurements.ts";
import { STREAM_PREFIX } from "../protocol/stream_path.ts";
import type { RequestLine } from "../telemetry/access_log.ts";
import { handleLogged, REQUEST_ID, requestIdOf } from "./request_lines.ts";
import type { Handler } from "./server.ts";

/** Indices of `REQUEST_KINDS`. */
const OTHER = 0;
const READ = 5;
const LONG_POLL = 6;
const SSE = 7;
const SUBSCRIPTIONS = 9;
const BY_METHOD: Readonly<Record<string, number>> = {
  POST: 1,
  PUT: 2,
  DELETE: 3,
  HEAD: 4,
  OPTIONS: 8,
};
const BY_PATH: Readonly<Record<string, number>> = {
  "/health": 10,
  "/live": 10,
  "/ready": 10,
  "/metrics": 11,
};

/** Counts requests and names each by X-Request-Id; with `log`, also writes a line for each. */
export function observeRequests(
  handler: Handler,
  log: ((line: RequestLine) => void) | null,
): Handler {
  return (request, state, peer) => {
    const kind = kindOf(request.method, request.url);
    const answered = log === null
      ? handler(request, state, peer)
      : handleLogged(handler, { request, state, peer, kind, log });
    return answered.then((response) => {
      if (log === null) {
        response.headers.set(REQUEST_ID, requestIdOf(request.headers.get(REQUEST_ID)));
      }
      measurements.requests.add(kind, response.status);
      return response;
    });
  };
}

/** The index of what a request is in `REQUEST_KINDS`. */
export function kindOf(method: string, url: string): number {
  const start = url.startsWith("/") ? 0 : url.indexOf("/", 8);
  if (start === -1) return OTHER;
  if (!url.startsWith(STREAM_PREFIX, start)) {
    const question = url.indexOf("?", start);
    return BY_PATH[question === -1 ? url.slice(start) : url.slice(start, question)] ?? OTHER;
  }
  const path = start + STREAM_PREFIX.length;
  if (method !== "OPTIONS" && url.startsWith("__ds", path)) return SUBSCRIPTIONS;
  if (method !== "GET") return BY_METHOD[method] ?? OTHER;
  const live = url.indexOf("live=", path);
  if (live === -1) return READ;
  return url.startsWith("sse", live + 5) ? SSE : LONG_POLL;
}
