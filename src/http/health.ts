/**
 * What operators ask of a node. /health and /live: the process answers. /ready: it should be sent
 * requests, or why not. /metrics: what it has counted.
 */
import { measurements } from "../lib/telemetry/measurements.ts";
import { withTimeout } from "../lib/timeout.ts";
import { DatabaseUnavailable } from "../storage/database.ts";
import type { RouterParts } from "./parts.ts";
import { respondMethodNotAllowed, respondRefusal } from "./error_responses.ts";
import { NO_STORE, respond, respondJson } from "./respond.ts";

/** What a path that leads nowhere is told. */
export const UNKNOWN = "streams are under /v1/stream/";

/** How long the database may take to answer /ready: proxies give up after a few seconds. */
const PING_MS = 2000;

const PATHS = new Set(["/health", "/live", "/ready", "/metrics"]);

export function isHealthPath(path: string): boolean {
  return PATHS.has(path);
}

export async function health(
  parts: RouterParts,
  request: Request,
  path: string,
): Promise<Response> {
  if (!isHealthPath(path)) return respondRefusal({ kind: "unknown_path", message: UNKNOWN });
  if (request.method !== "GET" && request.method !== "HEAD") {
    return respondMethodNotAllowed("GET, HEAD");
  }
  if (path === "/metrics") {
    const { contentType, text } = await parts.metrics();
    return respond(200, [["Content-Type", contentType], ["Cache-Control", NO_STORE]], text);
  }
  if (path !== "/ready") return respondJson(200, { status: "ok" });
  const unready = await whyUnready(parts);
  return unready === null ? respondJson(200, { status: "ready" }) : respondUnready(unready);
}

/** The codes are those of requests that are refused for the same reason. */
interface Unready {
  readonly code: "DRAINING" | "DATABASE_UNAVAILABLE" | "OVERLOADED";
  readonly message: string;
}

/** Why no requests should be sent to this node; null: they may be. */
async function whyUnready(parts: RouterParts): Promise<Unready | null> {
  if (parts.draining()) return { code: "DRAINING", message: "this node is stopping" };
  // Queues are also full because the database is away, and that is then the reason.
  const full = measurements.databaseAwaySince === null ? measurements.full : null;
  if (full !== null) return { code: "OVERLOADED", message: `no request fits: ${full} is full` };
  try {
    const late = () => new DatabaseUnavailable(`no answer in ${PING_MS} ms`);
    await withTimeout(parts.ping(), PING_MS, late);
    return null;
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    const since = measurements.databaseAwaySince;
    const seconds = since === null ? 0 : Math.round((performance.now() - since) / 1000);
    return {
      code: "DATABASE_UNAVAILABLE",
      message: `the database does not answer, for ${seconds} s by now`,
    };
  }
}

function respondUnready(unready: Unready): Response {
  const response = respondJson(503, { error: unready });
  response.headers.set("Retry-After", "1");
  return response;
}
