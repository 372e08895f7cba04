/** From a request to its route, and from whatever goes wrong to an answer. */
import { Overloaded, Refused } from "../errors.ts";
import { parseStreamPath, STREAM_PREFIX } from "../protocol/stream_path.ts";
import { DatabaseUnavailable } from "../storage/database.ts";
import type { Telemetry, TelemetryEvent } from "../telemetry/events.ts";
import { health } from "./health.ts";
import { ResponseCache } from "./response_cache.ts";
import type { ReadParts, RouterParts } from "./parts.ts";
import { PageStreams } from "./page_stream.ts";
import { get, head } from "./read_routes.ts";
import { respondRefusal } from "./refusals.ts";
import { BodyBroken, BodyTooLarge, BodyTooSlow, RequestBodies } from "./request_body.ts";
import { respondError, respondPreflight, STREAM_METHODS } from "./respond.ts";
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

/** Milliseconds between two lines that say the same of many requests. */
const QUIET_MS = 1000;

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
      answerError(error, request, path, options, failures)
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
      return Promise.resolve(respondError(
        405,
        { code: "method_not_allowed", message: `streams know ${STREAM_METHODS}` },
        [["Allow", STREAM_METHODS]],
      ));
  }
}

function answerError(
  error: unknown,
  request: Request,
  path: string,
  options: RouterOptions,
  failures: FailureReports,
): Response {
  if (error instanceof Refused) return respondRefusal(error.refusal);
  if (error instanceof BodyTooLarge) {
    return respondError(413, {
      code: "body_too_large",
      message: `a body is at most ${options.maxAppendBytes} bytes`,
    });
  }
  if (error instanceof BodyBroken) {
    return respondError(400, { code: "body_broken", message: error.message });
  }
  if (error instanceof BodyTooSlow) {
    return respondError(408, { code: "body_too_slow", message: "the body took too long" }, [
      ["Connection", "close"],
    ]);
  }
  if (error instanceof Overloaded) {
    failures.refused({ event: "overloaded", error, suppressed: 0 });
    return respondError(
      503,
      { code: "overloaded", message: `${error.message}; try again` },
      [["Retry-After", "1"]],
    );
  }
  if (error instanceof DatabaseUnavailable) {
    failures.refused({ event: "database_unavailable", error, suppressed: 0 });
    return respondError(
      503,
      { code: "database_unavailable", message: "the database does not answer; try again" },
      [["Retry-After", "1"]],
    );
  }
  failures.requestFailed(request.method, path, error);
  return respondError(500, { code: "internal", message: "something went wrong on this server" });
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

/** What fails one request fails every other like it: one line a second says so. */
class FailureReports {
  readonly #telemetry: Telemetry;
  readonly #quiet = new Map<string, { until: number; suppressed: number }>();

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  refused(report: TelemetryEvent & { event: "database_unavailable" | "overloaded" }): void {
    const quiet = this.#quiet.get(report.event) ?? { until: 0, suppressed: 0 };
    if (performance.now() < quiet.until) {
      quiet.suppressed++;
      return;
    }
    this.#telemetry.report({ ...report, suppressed: quiet.suppressed });
    this.#quiet.set(report.event, { until: performance.now() + QUIET_MS, suppressed: 0 });
  }

  requestFailed(method: string, path: string, error: unknown): void {
    this.#telemetry.report({ event: "request_failed", method, path, error });
  }
}
