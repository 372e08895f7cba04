/** What every request leaves behind: a count, and a line where requests are logged. */
import { measurements } from "../lib/telemetry/measurements.ts";
import { tracing } from "../lib/telemetry/tracing.ts";
import { STREAM_PREFIX } from "../protocol/stream_path.ts";
import type { RequestLine } from "../telemetry/access_log.ts";
import type { RequestTarget } from "./request_target.ts";
import { beginTrace, handleLogged, REQUEST_ID, requestIdOf } from "./request_lines.ts";
import type { Handler } from "./server.ts";

/** Indices of `REQUEST_KINDS`. */
const OTHER = 0;
/** A request whose target cannot be told. */
export const UNROUTED = OTHER;
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

/** The response, counted by what its request was. @param kind an index of `REQUEST_KINDS` */
export function counted(kind: number, response: Response): Response {
  measurements.requests.add(kind, response.status);
  return response;
}

/**
 * With `log`, writes a line for each request, and names it by X-Request-Id; so does tracing with those
 * that are sampled. Else an id that is made up would name nothing, and cost each request a header: one
 * that a client sent is answered.
 */
export function observeRequests(
  handler: Handler,
  log: ((line: RequestLine) => void) | null,
): Handler {
  const unobserved: Handler = (request, state, connection) => {
    const answered = handler(request, state, connection);
    const given = request.headers.get(REQUEST_ID);
    return given === null ? answered : answered.then((response) => named(response, given));
  };
  if (log === null && tracing.active === null) return unobserved;
  return (request, state, connection) => {
    const kind = kindOfUrl(request.method, request.url);
    const traced = beginTrace(request, kind);
    return log === null && traced === null
      ? unobserved(request, state, connection)
      : handleLogged(handler, { request, state, connection, kind, log, traced });
  };
}

function named(response: Response, given: string): Response {
  response.headers.set(REQUEST_ID, requestIdOf(given));
  return response;
}

/** The index of what a request is in `REQUEST_KINDS`. */
export function kindOf(
  method: string,
  { path, query }: Pick<RequestTarget, "path" | "query">,
): number {
  if (!path.startsWith(STREAM_PREFIX)) return BY_PATH[path] ?? OTHER;
  if (method !== "OPTIONS" && path.startsWith("__ds", STREAM_PREFIX.length)) return SUBSCRIPTIONS;
  if (method !== "GET") return BY_METHOD[method] ?? OTHER;
  const live = query.indexOf("live=");
  if (live === -1) return READ;
  return query.startsWith("sse", live + 5) ? SSE : LONG_POLL;
}

/** The same by `request.url`, which may hold anything. */
export function kindOfUrl(method: string, url: string): number {
  const start = url.startsWith("/") ? 0 : url.indexOf("/", 8);
  if (start === -1) return OTHER;
  const question = url.indexOf("?", start);
  return question === -1
    ? kindOf(method, { path: url.slice(start), query: "" })
    : kindOf(method, { path: url.slice(start, question), query: url.slice(question + 1) });
}
