/**
 * `--admin-port`: what operators ask for has a listener of its own, and the public one does not serve
 * it. Each listener knows nothing of what the other serves.
 */
import { STREAM_PREFIX } from "../protocol/stream_path.ts";
import { respondRefusal } from "./error_responses.ts";
import { isHealthPath, UNKNOWN } from "./health.ts";
import { parseTarget } from "./request_target.ts";
import type { Handler } from "./server.ts";

const CONTROL = `${STREAM_PREFIX}__ds/`;
/** Of the control APIs, those that are for operators: their first segments. */
const ADMIN_ROUTES = ["tokens", "node", "sign/keys"];

/** Of a handler, what operators ask for; or, with `admin` false, all the rest. */
export function serveOnly(handler: Handler, { admin }: { readonly admin: boolean }): Handler {
  return (request, state, peer) => {
    const target = parseTarget(request.url, request.headers.get("host"));
    if ("refusal" in target || isAdminPath(target.value.path) === admin) {
      return handler(request, state, peer);
    }
    return Promise.resolve(respondRefusal({ kind: "unknown_path", message: UNKNOWN }));
  };
}

export function isAdminPath(path: string): boolean {
  if (!path.startsWith(CONTROL)) return isHealthPath(path);
  const rest = path.slice(CONTROL.length);
  return ADMIN_ROUTES.some((route) => rest === route || rest.startsWith(`${route}/`));
}
