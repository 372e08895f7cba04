/**
 * The health endpoints. /health and /live say that the process answers; /ready says that its
 * database does too, and that the node is not draining.
 */
import type { RouterParts } from "./parts.ts";
import { respondRefusal } from "./error_responses.ts";
import { respondJson } from "./respond.ts";

/** What a path that leads nowhere is told. */
export const UNKNOWN = "streams are under /v1/stream/";

export function isHealthPath(path: string): boolean {
  return path === "/health" || path === "/live" || path === "/ready";
}

export async function health(
  parts: RouterParts,
  request: Request,
  path: string,
): Promise<Response> {
  if (!isHealthPath(path)) return respondRefusal({ kind: "unknown_path", message: UNKNOWN });
  if (request.method !== "GET" && request.method !== "HEAD") {
    return respondRefusal({ kind: "method_not_allowed", allowed: "GET, HEAD" });
  }
  if (path !== "/ready") return respondJson(200, { status: "ok" });
  if (parts.draining()) return respondRefusal({ kind: "draining" });
  await parts.ping();
  return respondJson(200, { status: "ready" });
}
