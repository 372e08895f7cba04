/** The APIs of signed URLs, `__ds/sign` and `__ds/sign/keys`: an extension. */
import type { Access } from "../access/access.ts";
import { outerName, relativeNamespace } from "../access/namespaces.ts";
import type { Principal } from "../access/principal.ts";
import { type Grant, SIGNED_OPERATIONS } from "../access/signed_urls.ts";
import type { ListedUrlKey } from "../access/url_keys.ts";
import { invalidRequest } from "../errors.ts";
import { respondMethodNotAllowed, respondRefusal } from "./error_responses.ts";
import type { BodyReader } from "./request_body.ts";
import { respond, respondJson } from "./respond.ts";
import { parseObject, parsePath } from "./subscription_bodies.ts";
import { parseExpiry } from "./token_routes.ts";
import { urlOf } from "./write_routes.ts";

const LARGEST_BODY = 64 << 10;
/** A year. */
const LONGEST_S = 366 * 86_400;

export interface SignedUrlParts {
  readonly access: Access;
  readonly bodies: BodyReader;
}

/** @param rest what follows `__ds/sign/` */
export async function signedUrls(
  parts: SignedUrlParts,
  request: Request,
  holder: Principal,
  { resource, id }: { readonly resource: string | undefined; readonly id: string | undefined },
): Promise<Response> {
  if (!parts.access.enabled) {
    return respondRefusal({ kind: "unknown_path", message: "access control is off" });
  }
  if (resource === undefined) return await sign(parts, request, holder);
  if (resource === "keys") return await keys(parts, request, holder, id);
  return respondRefusal({ kind: "unknown_path", message: "there is no such control API" });
}

async function sign(
  { access, bodies }: SignedUrlParts,
  request: Request,
  holder: Principal,
): Promise<Response> {
  if (request.method !== "POST") {
    return respondMethodNotAllowed("POST");
  }
  const body = parseObject(await bodies.read(request, LARGEST_BODY));
  const grant = parseGrant(body, await access.now());
  const { query, expires } = await access.signUrl(holder, grant);
  return respondJson(201, {
    url: `${urlOf(request, grant.path)}?${query}`,
    expires_at: new Date(expires * 1000).toISOString(),
  });
}

async function keys(
  { access, bodies }: SignedUrlParts,
  request: Request,
  holder: Principal,
  id: string | undefined,
): Promise<Response> {
  const { method } = request;
  if (id !== undefined) {
    if (method !== "DELETE") {
      return respondMethodNotAllowed("DELETE");
    }
    await access.revokeUrlKey(holder, id);
    return respond(204);
  }
  if (method === "POST") {
    const body = await bodies.read(request, LARGEST_BODY);
    if (body.length > 0 && Object.keys(parseObject(body)).length > 0) {
      throw invalidRequest("a key has no members to be given");
    }
    return respondJson(201, { id: (await access.createUrlKey(holder)).id });
  }
  if (method === "GET" || method === "HEAD") {
    const listed = await access.listUrlKeys(holder);
    return respondJson(200, { keys: listed.map((key) => shown(key, holder)) });
  }
  return respondMethodNotAllowed("GET, HEAD, POST");
}

/** As the holder says names. A token that is none of the holder's own has no name here. */
function shown({ id, namespace, tokenName, createdAtMs }: ListedUrlKey, holder: Principal) {
  return {
    id,
    namespace: relativeNamespace(holder.namespace, namespace) || null,
    token: tokenName === null ? null : outerName(holder.namespace, tokenName),
    created_at: new Date(createdAtMs).toISOString(),
  };
}

/** @param now seconds since 1970 */
function parseGrant(body: Readonly<Record<string, unknown>>, now: number): Grant {
  const { path, operation: name, expires_at: at, expires_in_seconds: inSeconds, ...others } = body;
  if (Object.keys(others).length > 0) {
    throw invalidRequest(
      "a signed URL has path, operation, and expires_at or expires_in_seconds, and no other members",
    );
  }
  const operation = SIGNED_OPERATIONS.find((known) => known === name);
  if (operation === undefined) throw invalidRequest('operation is "read" or "append"');
  return {
    operation,
    path: parsePath(path, "path"),
    expires: parseEnd({ at, inSeconds, now }),
  };
}

function parseEnd(
  { at, inSeconds, now }: {
    readonly at: unknown;
    readonly inSeconds: unknown;
    readonly now: number;
  },
): number {
  if ((at === undefined) === (inSeconds === undefined)) {
    throw invalidRequest("give expires_at or expires_in_seconds");
  }
  const time = at === undefined ? null : parseExpiry(at);
  const end = at !== undefined
    ? Math.floor((time ?? 0) / 1000)
    : typeof inSeconds === "number" && Number.isInteger(inSeconds)
    ? now + inSeconds
    : NaN;
  if (end > now && end <= now + LONGEST_S) return end;
  throw invalidRequest("a signed URL ends in the future, and within a year");
}
