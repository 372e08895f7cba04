/** `__ds/node`: what one node says of itself, an extension for holders of `admin`. */
import { invalidRequest } from "../errors.ts";
import { STREAM_PREFIX } from "../protocol/stream_path.ts";
import { respondRefusal } from "./error_responses.ts";
import type { RouterParts } from "./parts.ts";
import { respondJson } from "./respond.ts";

export const NODE_PATH = `${STREAM_PREFIX}__ds/node`;

/** @throws Refused when the query holds anything: there are no parameters */
export async function node(
  parts: Pick<RouterParts, "node">,
  request: Request,
  query: string,
): Promise<Response> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") {
    return respondRefusal({ kind: "method_not_allowed", allowed: "GET, HEAD" });
  }
  if (query !== "") throw invalidRequest("__ds/node takes no query parameters");
  return respondJson(200, await parts.node());
}
