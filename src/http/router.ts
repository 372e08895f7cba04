/** From a request to its route, and from whatever goes wrong to an answer. */
import { invalid, type Refusal } from "../errors.ts";
import type { Authorization } from "../access/access.ts";
import { NO_NAMESPACE, storedName } from "../access/namespaces.ts";
import { namespaceOf } from "../access/principal.ts";
import type { Quotas } from "../access/quotas.ts";
import type { BufferedBytes } from "../limits.ts";
import { parseStreamPath, STREAM_PREFIX } from "../protocol/stream_path.ts";
import { carriesSignature } from "../access/signed_urls.ts";
import { health, isHealthPath, UNKNOWN } from "./health.ts";
import { type CacheControl, CachePolicy } from "./cache_policy.ts";
import { DUMP_PATH } from "./dump_route.ts";
import { ResponseCache } from "./response_cache.ts";
import { node, NODE_PATH } from "./node_route.ts";
import type { ReadParts, RouterParts } from "./parts.ts";
import { PageStreams } from "./page_stream.ts";
import { get, head } from "./read_routes.ts";
import {
  refusalOf,
  respondInternal,
  respondMethodNotAllowed,
  respondRefusal,
} from "./error_responses.ts";
import { FailureReports, isReported } from "./failure_reports.ts";
import { type BodyReader, RequestBodies } from "./request_body.ts";
import { notePrincipal } from "./request_lines.ts";
import { counted, kindOf, UNROUTED } from "./request_observer.ts";
import { inspector, type InspectorMode, isInspectorPath } from "./inspector_routes.ts";
import { QuotaStreams, type WrittenStreams } from "./quota_streams.ts";
import {
  type KeepLive,
  type LimitedRequest,
  RequestLimits,
  type RequestLimitsOptions,
} from "./request_limits.ts";
import { OriginPolicy, type OriginPolicyOptions } from "./origin_policy.ts";
import { parseTarget, type RequestTarget } from "./request_target.ts";
import { addressOf, type Handler, type TargetState } from "./server.ts";
import { hideReferrer, respondPreflight, restrictCaching, STREAM_METHODS } from "./respond.ts";
import { control, isControlPath } from "./subscription_routes.ts";
import { post, put, remove } from "./write_routes.ts";

export interface RouterOptions {
  readonly longPollTimeoutMs: number;
  readonly maxAppendBytes: number;
  readonly bodyTimeoutMs: number;
  readonly buffered: Pick<BufferedBytes, "received" | "sent">;
  readonly maxFollowers: number;
  readonly cacheControl: CacheControl;
  readonly origins: OriginPolicyOptions;
  readonly inspector: InspectorMode;
  readonly limits: RequestLimitsOptions;
}

export function createRouter(parts: RouterParts, options: RouterOptions): Handler {
  const failures = new FailureReports(parts.telemetry);
  const bodies = new RequestBodies({
    limit: options.maxAppendBytes,
    budget: options.buffered.received,
    timeoutMs: options.bodyTimeoutMs,
  });
  const pages = new PageStreams({
    budget: options.buffered.sent,
    maxPageBytes: parts.streams.maxPageBytes,
  });
  const responses = new ResponseCache();
  const caches = new CachePolicy(options.cacheControl);
  const policy = new OriginPolicy(options.origins);
  const limits = new RequestLimits(options.limits, parts.telemetry);
  const own = { bodies, pages, responses, caches, policy, limits, written: parts.streams };
  const whole = { ...options, ...parts, ...own };
  return (request, state, connection) => {
    const parsed = parseTarget(request.url, request.headers.get("host"));
    if ("refusal" in parsed) {
      return Promise.resolve(counted(UNROUTED, respondRefusal(parsed.refusal)));
    }
    const target = parsed.value;
    const kind = kindOf(request.method, target);
    const origin = request.headers.get("origin");
    const refusal = refuseTarget(target, state) ??
      refuseSource(policy, { request, target, origin });
    if (refusal !== null) return Promise.resolve(counted(kind, respondRefusal(refusal)));
    const finish = (response: Response) => {
      if (carriesSignature(target.query)) hideReferrer(response);
      return counted(kind, policy.expose(response, origin, target.host));
    };
    const client = parts.access.enabled || limits.counts
      ? limits.clientOf(request, () => addressOf(request, connection))
      : unasked;
    // One continuation for all that is left to do: each costs a promise.
    return authorized(whole, request, target, client).then(
      finish,
      (error) =>
        finish(answerError(error, { method: request.method, path: target.path }, failures)),
    );
  };
}

/** Where nothing is refused or counted by its sender, the address is not asked for. */
const unasked = () => null;

/** Why a target is refused before routing: it is not as it was sent, or no route can match it. */
function refuseTarget({ path }: RequestTarget, state: TargetState): Refusal | null {
  if (state === "as_sent") return null;
  if (state === "rewritten" || path.startsWith(STREAM_PREFIX)) {
    return invalid(
      "INVALID_PATH",
      "the path holds an empty, . or .. segment or a backslash, or has too many segments",
    );
  }
  return { kind: "unknown_path", message: UNKNOWN };
}

/** Why a request is refused for its host, or for the page that it comes from. */
function refuseSource(
  policy: OriginPolicy,
  { request, target: { path, host }, origin }: {
    readonly request: Request;
    readonly target: RequestTarget;
    readonly origin: string | null;
  },
): Refusal | null {
  // Health checks name hosts of their own making, and learn nothing of streams.
  const misdirected = isHealthPath(path) ? null : policy.refuseHost(host);
  if (misdirected !== null || origin === null || policy.allowsOrigin(origin, host)) {
    return misdirected;
  }
  const { method } = request;
  const safe = method === "GET" || method === "HEAD" || method === "OPTIONS";
  return safe ? null : { kind: "foreign_origin", origin: printable(origin) };
}

/** An Origin header is the client's text, and goes into an error's message. */
function printable(origin: string): string {
  return origin.slice(0, 200);
}

/** What depends on the sender: its limits are in them. */
interface SenderParts {
  readonly bodies: BodyReader;
  /** The streams, or as much of them as a quota allows. */
  readonly written: WrittenStreams;
  readonly keepLive?: KeepLive | undefined;
}

type RouteParts = RouterParts & ReadParts & SenderParts & {
  readonly inspector: InspectorMode;
  readonly policy: OriginPolicy;
  readonly limits: RequestLimits;
};

/** Routes what its sender may ask for: of nothing else is anything looked up. */
function authorized(
  parts: RouteParts,
  request: Request,
  target: RequestTarget,
  client: () => string | null,
): Promise<Response> {
  const { access } = parts;
  if (!access.enabled) return limited(parts, { request, target, principal: null, client });
  const serve = (authorization: Authorization) => {
    if ("refusal" in authorization) return Promise.resolve(respondRefusal(authorization.refusal));
    notePrincipal(request, authorization.name);
    return limited(parts, { request, target, principal: authorization, client });
  };
  const authorization = access.authorize(request, target, client);
  const served = authorization instanceof Promise
    ? authorization.then(serve)
    : serve(authorization);
  // What one principal may read, a shared cache must not hand to another.
  const { method } = request;
  return method === "GET" || method === "HEAD" ? served.then(restrictCaching) : served;
}

/** Routes what is not one too many: of streams, for the control APIs are not counted. */
function limited(parts: RouteParts, asked: LimitedRequest): Promise<Response> {
  const { limits, quotas } = parts;
  const counts = limits.counts || quotas !== null;
  const { path } = asked.target;
  if (!counts || !path.startsWith(STREAM_PREFIX) || isControlPath(path)) {
    return route(parts, asked, parts);
  }
  const written = quotas === null ? parts.streams : writtenStreams(parts, quotas, asked);
  if (!limits.counts) return route(parts, asked, { bodies: parts.bodies, written });
  return limits.serve(
    asked,
    parts.bodies,
    (bodies, keepLive) => route(parts, asked, { bodies, written, keepLive }),
  );
}

/** What the sender writes to: within the quota of its namespace. */
function writtenStreams(
  { streams, limits }: RouteParts,
  quotas: Quotas,
  asked: LimitedRequest,
): WrittenStreams {
  const tenant = asked.principal?.tenant ?? NO_NAMESPACE;
  return quotas.bounds(tenant)
    ? new QuotaStreams({
      streams,
      quotas,
      tenant,
      onRefused: (refusal) => limits.report(refusal, asked),
    })
    : streams;
}

/** Hands the route's own promise on: one promise less a request than by `async`. */
function route(
  parts: RouteParts,
  { request, target: { path, query, host }, principal }: LimitedRequest,
  { bodies, written, keepLive }: SenderParts,
): Promise<Response> {
  if (!path.startsWith(STREAM_PREFIX)) {
    const page = isInspectorPath(path) ? inspector(parts, request, path, principal) : null;
    return page === null ? health(parts, request, path) : Promise.resolve(page);
  }
  const { method } = request;
  if (method === "OPTIONS") {
    return Promise.resolve(respondPreflight(request.headers.get("access-control-request-headers")));
  }
  if (path === NODE_PATH) return node(parts, request, query);
  if (path === DUMP_PATH) {
    return Promise.try(() => parts.dumps.respond(request, query, principal));
  }
  if (isControlPath(path)) return control(parts, request, { path, query }, principal);
  const stream = parseStreamPath(path);
  if ("refusal" in stream) return Promise.resolve(respondRefusal(stream.refusal));
  const { streams } = parts;
  const namespace = namespaceOf(principal);
  const stored = storedName(namespace, stream.value);
  switch (method) {
    case "POST":
      return post(written, stored, request, bodies);
    case "GET":
      return get(
        keepLive === undefined ? parts : { ...parts, keepLive },
        stored,
        request,
        query,
        principal,
      );
    case "HEAD":
      return head(streams, stored);
    case "PUT":
      return put(
        {
          ...{ streams: written, bodies, namespace },
          isOwnHost: (other) => parts.policy.isOwnHost(other, host),
        },
        stream.value,
        request,
      );
    case "DELETE":
      return remove(streams, stored);
    default:
      return Promise.resolve(
        respondMethodNotAllowed(STREAM_METHODS),
      );
  }
}

function answerError(
  error: unknown,
  { method, path }: { readonly method: string; readonly path: string },
  failures: FailureReports,
): Response {
  const refusal = refusalOf(error);
  if (refusal === null) {
    failures.requestFailed(method, path, error);
    return respondInternal();
  }
  const { kind } = refusal;
  if (isReported(kind)) failures.serverRefused(kind, error);
  return respondRefusal(refusal);
}
