/** /health and /live: the process answers. /ready: so does its database, and it is not going away. */
import type { RouterParts } from "./parts.ts";
import { respondError, respondJson } from "./respond.ts";

export async function health(
  parts: RouterParts,
  request: Request,
  path: string,
): Promise<Response> {
  const known = path === "/health" || path === "/live" || path === "/ready";
  if (!known) {
    return respondError(404, { code: "not_found", message: "streams are under /v1/stream/" });
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return respondError(405, { code: "method_not_allowed", message: "only GET and HEAD" }, [
      ["Allow", "GET, HEAD"],
    ]);
  }
  if (path !== "/ready") return respondJson(200, { status: "ok" });
  if (parts.leaving()) {
    return respondError(503, { code: "draining", message: "this node is going away" });
  }
  await parts.ping();
  return respondJson(200, { status: "ready" });
}
