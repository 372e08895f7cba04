/** The control APIs under `__ds` (sections 6 and 7): routed before any stream. */
import type { Access } from "../access/access.ts";
import { type Namespace, storedGlob, storedName } from "../access/namespaces.ts";
import { namespaceOf, type Principal } from "../access/principal.ts";
import { matcherOf } from "../protocol/glob.ts";
import { STREAM_PREFIX, trimmedPath } from "../protocol/stream_path.ts";
import { invalidRequest, Refused } from "../errors.ts";
import type { Streams } from "../streams/streams.ts";
import type { Subscriptions } from "../subscriptions/subscriptions.ts";
import { listedStreams, listedSubscriptions, usage } from "./catalog_routes.ts";
import { respondMethodNotAllowed, respondRefusal } from "./error_responses.ts";
import type { BodyReader } from "./request_body.ts";
import { respond, respondJson } from "./respond.ts";
import type { Configuration } from "../subscriptions/configuration.ts";
import { signedUrls } from "./signed_url_routes.ts";
import { tokens } from "./token_routes.ts";
import { trim } from "./trim_route.ts";
import {
  LARGEST_BODY,
  parseAck,
  parseConfiguration,
  parseObject,
  parsePath,
  parseStreams,
  parseWake,
  parseWorker,
} from "./subscription_bodies.ts";

const CONTROL = `${STREAM_PREFIX}__ds`;
const LONGEST_ID = 256;

export interface ControlParts {
  readonly access: Access;
  readonly subscriptions: Subscriptions;
  readonly bodies: BodyReader;
  readonly streams: Streams;
}

/** Whether a path, as sent, is one of the control APIs'. */
export function isControlPath(path: string): boolean {
  return path === CONTROL || path.startsWith(`${CONTROL}/`);
}

/**
 * Answers a request to a path of which `isControlPath` is true.
 * @param principal null: there is no access control
 */
export async function control(
  parts: ControlParts,
  request: Request,
  target: { readonly path: string; readonly query: string },
  principal: Principal | null,
): Promise<Response> {
  const path = target.path.slice(CONTROL.length + 1);
  if (path === "jwks.json") return await jwks(parts, request);
  const [collection, rawId, action, ...rest] = path.split("/");
  if (collection === "tokens" && principal !== null) {
    const name = rawId === undefined ? null : path.slice("tokens/".length);
    return await tokens(parts, request, principal, name);
  }
  if (collection === "sign" && principal !== null && rest.length === 0) {
    return await signedUrls(parts, request, principal, { resource: rawId, id: action });
  }
  const { method } = request;
  const { query } = target;
  if (collection === "streams") {
    const trimmed = trimmedPath(path);
    if (method === "POST" && trimmed !== null) {
      if ("refusal" in trimmed) return respondRefusal(trimmed.refusal);
      const stored = storedName(namespaceOf(principal), trimmed.value);
      return await trim(parts, request, { path: stored, query });
    }
    if (trimmed !== null && method !== "GET" && method !== "HEAD") {
      return respondMethodNotAllowed("GET, HEAD, POST");
    }
    const streamPath = rawId === undefined ? null : path.slice("streams/".length);
    return await listedStreams(parts, { method, query, principal }, streamPath);
  }
  if (path === "usage") return await usage(parts, { method, query, principal });
  if (path === "subscriptions") {
    return await listedSubscriptions(parts, { method, query, principal });
  }
  if (collection !== "subscriptions" || rawId === undefined || rawId === "") return unknownPath();
  const id = parseId(rawId);
  if (action === undefined) return await base(parts, request, id, principal);
  if (action === "streams") return await membership(parts, request, { id, rest, principal });
  if (rest.length > 0) return unknownPath();
  switch (action) {
    case "callback":
    case "claim":
    case "ack":
    case "release":
      if (request.method !== "POST") return respondMethodNotAllowed("POST");
      return await wake(parts, request, { id, action, namespace: namespaceOf(principal) });
    default:
      return unknownPath();
  }
}

async function jwks({ subscriptions }: ControlParts, request: Request): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return respondMethodNotAllowed("GET, HEAD");
  }
  return respond(200, [
    ["Content-Type", "application/jwk-set+json"],
    ["Cache-Control", "public, max-age=300"],
  ], JSON.stringify(await subscriptions.jwks()));
}

async function base(
  { subscriptions, bodies }: ControlParts,
  request: Request,
  id: string,
  principal: Principal | null,
): Promise<Response> {
  const namespace = namespaceOf(principal);
  const name = storedName(namespace, id);
  switch (request.method) {
    case "PUT": {
      const configuration = parseConfiguration(await readObject(bodies, request));
      if (principal !== null) requireRights(principal, configuration);
      const { created, subscription } = await subscriptions.create(
        name,
        storedConfiguration(namespace, configuration),
      );
      return respondJson(created ? 201 : 200, subscription);
    }
    case "GET":
    case "HEAD":
      return respondJson(200, await subscriptions.read(name));
    case "DELETE":
      await subscriptions.remove(name);
      return respond(204);
    default:
      return respondMethodNotAllowed("PUT, GET, HEAD, DELETE");
  }
}

async function membership(
  { subscriptions, bodies }: ControlParts,
  request: Request,
  { id, rest, principal }: {
    readonly id: string;
    readonly rest: readonly string[];
    readonly principal: Principal | null;
  },
): Promise<Response> {
  const namespace = namespaceOf(principal);
  const name = storedName(namespace, id);
  if (rest.length === 0) {
    if (request.method !== "POST") return respondMethodNotAllowed("POST");
    const streams = parseStreams(await readObject(bodies, request));
    if (principal !== null) requireReading(principal, streams);
    await subscriptions.addStreams(name, streams.map((path) => storedName(namespace, path)));
  } else {
    if (request.method !== "DELETE") return respondMethodNotAllowed("DELETE");
    const path = parsePath(decode(rest.join("/")), "the stream's path");
    await subscriptions.removeStream(name, storedName(namespace, path));
  }
  return respond(204);
}

/** As the database has it: names are within the namespace. */
function storedConfiguration(namespace: Namespace, given: Configuration): Configuration {
  const { glob, streams, delivery } = given;
  return {
    ...given,
    glob: glob === null ? null : storedGlob(namespace, glob),
    streams: streams.map((path) => storedName(namespace, path)),
    delivery: delivery.type === "webhook"
      ? delivery
      : { ...delivery, wakeStream: storedName(namespace, delivery.wakeStream) },
  };
}

/** A subscription shows only what its maker may read, and writes only where its maker may append. */
function requireRights(principal: Principal, { glob, streams, delivery }: Configuration): void {
  requireReading(principal, streams);
  if (glob !== null && !principal.allowsPattern("read", matcherOf(glob))) throw forbidden("read");
  if (delivery.type === "pull-wake" && !principal.allows("append", delivery.wakeStream)) {
    throw forbidden("append");
  }
}

function requireReading(principal: Principal, streams: readonly string[]): void {
  if (!streams.every((path) => principal.allows("read", path))) throw forbidden("read");
}

function forbidden(operation: string): Refused {
  return new Refused({ kind: "forbidden", operation });
}

async function wake(
  { subscriptions, bodies }: ControlParts,
  request: Request,
  { id, action, namespace }: {
    readonly id: string;
    readonly action: "callback" | "claim" | "ack" | "release";
    /** Of a claim. What follows has a token that says it. */
    readonly namespace: Namespace;
  },
): Promise<Response> {
  if (action === "claim") {
    const worker = parseWorker(await readObject(bodies, request));
    return respondJson(200, await subscriptions.claim(storedName(namespace, id), worker));
  }
  const token = bearerToken(request);
  const body = await readObject(bodies, request);
  if (action === "release") {
    await subscriptions.release(id, parseWake(body, token));
    return respond(204);
  }
  const type = action === "callback" ? "webhook" : "pull-wake";
  return respondJson(200, await subscriptions.ack(id, type, parseAck(body, token)));
}

async function readObject(bodies: BodyReader, request: Request) {
  return parseObject(await bodies.read(request, LARGEST_BODY));
}

function bearerToken(request: Request): string {
  const match = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(request.headers.get("authorization") ?? "");
  if (match !== null) return match[1]!;
  throw new Refused({
    kind: "token_invalid",
    message: "Authorization: Bearer <token> is missing",
  });
}

/** The client's id: one segment, of anything that can be printed. */
function parseId(raw: string): string {
  const id = decode(raw);
  // deno-lint-ignore no-control-regex
  if (id.length > LONGEST_ID || /[\x00-\x1f\x7f\ufffd/\\]/.test(id) || id === "." || id === "..") {
    throw invalidRequest(
      `a subscription's id has at most ${LONGEST_ID} characters, no slashes and no control characters`,
    );
  }
  return id;
}

function decode(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    throw invalidRequest("the path is not percent-encoded UTF-8");
  }
}

function unknownPath(): Response {
  return respondRefusal({ kind: "unknown_path", message: "there is no such control API" });
}
