/** From a request to its route, and from whatever goes wrong to an answer. */
import { parseStreamPath, STREAM_PREFIX } from "../protocol/stream_path.ts";
import { health } from "./health.ts";
import { ResponseCache } from "./response_cache.ts";
import type { ReadParts, RouterParts } from "./parts.ts";
import { PageStreams } from "./page_stream.ts";
import { get, head } from "./read_routes.ts";
import { refusalOf, respondInternal, respondRefusal } from "./error_responses.ts";
import { FailureReports } from "./failure_reports.ts";
import { RequestBodies } from "./request_body.ts";
import { respondPreflight, STREAM_METHODS } from "./respond.ts";
import { control, isControlPath } from "./subscription_routes.ts";
import { post, put, remove } from "./write_routes.ts";

export interface RouterOptions {
  readonly longPollTimeoutMs: number;
  readonly maxAppendBytes: number;
  readonly bodyTimeoutMs: number;
  readonly maxBufferedBytes: number;
  readonly maxFollowers: number;
}

export type Handler = (request: Request) => Promise<Response>;

/** The parts of the memory for what is under way that requests and answers may take. */
const RECEIVED_SHARE = 0.25;
const SENT_SHARE = 0.5;

export function createRouter(parts: RouterParts, options: RouterOptions): Handler {
  const failures = new FailureReports(parts.telemetry);
  const bodies = new RequestBodies({
    limit: options.maxAppendBytes,
    budget: options.maxBufferedBytes * RECEIVED_SHARE,
    timeoutMs: options.bodyTimeoutMs,
  });
  const pages = new PageStreams({
    budget: options.maxBufferedBytes * SENT_SHARE,
    maxPageBytes: parts.streams.maxPageBytes,
  });
  const responses = new ResponseCache();
  const whole = { ...parts, ...options, bodies, pages, responses };
  return (request) => {
    const { path, query } = splitUrl(request.url);
    return route(whole, request, path, query).catch((error) =>
      answerError(error, { method: request.method, path }, failures)
    );
  };
}

/** Hands the route's own promise on: one promise less a request than by `async`. */
function route(
  parts: RouterParts & ReadParts & { readonly bodies: RequestBodies },
  request: Request,
  path: string,
  query: string,
): Promise<Response> {
  if (!path.startsWith(STREAM_PREFIX)) return health(parts, request, path);
  const { method } = request;
  if (method === "OPTIONS") return Promise.resolve(respondPreflight());
  if (isControlPath(path)) return control(parts, request, path);
  const stream = parseStreamPath(path);
  if ("refusal" in stream) return Promise.resolve(respondRefusal(stream.refusal));
  const { streams, bodies } = parts;
  switch (method) {
    case "POST":
      return post(streams, stream.value, request, bodies);
    case "GET":
      return get(parts, stream.value, request, query);
    case "HEAD":
      return head(streams, stream.value);
    case "PUT":
      return put(streams, stream.value, request, bodies);
    case "DELETE":
      return remove(streams, stream.value);
    default:
      return Promise.resolve(
        respondRefusal({ kind: "method_not_allowed", allowed: STREAM_METHODS }),
      );
  }
}

function answerError(
  error: unknown,
  { method, path }: { readonly method: string; readonly path: string },
  failures: FailureReports,
): Response {
  const refusal = refusalOf(error);
  if (refusal === null) {
    failures.requestFailed(method, path, error);
    return respondInternal();
  }
  const { kind } = refusal;
  if (kind === "overloaded" || kind === "database_unavailable") failures.serverRefused(kind, error);
  return respondRefusal(refusal);
}

/**
 * The path and query as they were sent: `new URL` would resolve `..` and hide what a client tried.
 */
export function splitUrl(url: string): { path: string; query: string } {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start === -1) return { path: "/", query: "" };
  const hash = url.indexOf("#", start);
  const end = hash === -1 ? url.length : hash;
  const question = url.indexOf("?", start);
  if (question === -1 || question > end) return { path: url.slice(start, end), query: "" };
  return { path: url.slice(start, question), query: url.slice(question + 1, end) };
}
