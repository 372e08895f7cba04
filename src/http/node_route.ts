/** `__ds/node`: what one node says of itself, an extension for holders of `admin`. */
import { STREAM_PREFIX } from "../protocol/stream_path.ts";
import { respondMethodNotAllowed } from "./error_responses.ts";
import { parseQuery } from "./query_parameters.ts";
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
    return respondMethodNotAllowed("GET, HEAD");
  }
  parseQuery(query, []);
  return respondJson(200, await parts.node());
}
