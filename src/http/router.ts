/** From a request to its route, and from whatever goes wrong to an answer. */
import { Refused } from "../outcome.ts";
import { parseStreamPath, STREAM_PREFIX } from "../protocol/stream_path.ts";
import { DatabaseUnavailable } from "../storage/database.ts";
import type { Telemetry } from "../telemetry.ts";
import { health } from "./health.ts";
import type { RouterParts } from "./parts.ts";
import { get, head, type ReadOptions } from "./read_routes.ts";
import { respondRefusal } from "./refusals.ts";
import { BodyBroken, BodyTooLarge } from "./request_body.ts";
import { respondError, respondPreflight, STREAM_METHODS } from "./respond.ts";
import { control, isControlPath } from "./subscription_routes.ts";
import { post, put, remove } from "./write_routes.ts";

export interface RouterOptions extends ReadOptions {
  readonly maxAppendBytes: number;
}

export type Handler = (request: Request) => Promise<Response>;

/** Milliseconds between two lines that say the database is away. */
const QUIET_MS = 1000;

export function createRouter(parts: RouterParts, options: RouterOptions): Handler {
  const failures = new FailureReports(parts.telemetry);
  return async (request) => {
    const { path, query } = splitUrl(request.url);
    try {
      return await route(parts, options, request, path, query);
    } catch (error) {
      return answerError(error, request, path, options, failures);
    }
  };
}

async function route(
  parts: RouterParts,
  options: RouterOptions,
  request: Request,
  path: string,
  query: string,
): Promise<Response> {
  if (!path.startsWith(STREAM_PREFIX)) return await health(parts, request, path);
  const { method } = request;
  if (method === "OPTIONS") return respondPreflight();
  if (isControlPath(path)) return await control(parts.subscriptions, request, path);
  const stream = parseStreamPath(path);
  if ("refusal" in stream) return respondRefusal(stream.refusal);
  const { streams } = parts;
  switch (method) {
    case "POST":
      return await post(streams, stream.value, request, options.maxAppendBytes);
    case "GET":
      return await get(streams, stream.value, request, query, options);
    case "HEAD":
      return await head(streams, stream.value);
    case "PUT":
      return await put(streams, stream.value, request, options.maxAppendBytes);
    case "DELETE":
      return await remove(streams, stream.value);
    default:
      return respondError(
        405,
        { code: "method_not_allowed", message: `streams know ${STREAM_METHODS}` },
        [["Allow", STREAM_METHODS]],
      );
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
  if (error instanceof DatabaseUnavailable) {
    failures.databaseUnavailable(error);
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

/** A database that is away fails every request: one line a second says so. */
class FailureReports {
  readonly #telemetry: Telemetry;
  #quietUntil = 0;
  #suppressed = 0;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  databaseUnavailable(error: unknown): void {
    if (Date.now() < this.#quietUntil) {
      this.#suppressed++;
      return;
    }
    this.#quietUntil = Date.now() + QUIET_MS;
    this.#telemetry.report({ event: "database_unavailable", error, suppressed: this.#suppressed });
    this.#suppressed = 0;
  }

  requestFailed(method: string, path: string, error: unknown): void {
    this.#telemetry.report({ event: "request_failed", method, path, error });
  }
}
