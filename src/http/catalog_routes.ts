/**
 * What there is, `__ds/streams`, `__ds/usage` and the list of `__ds/subscriptions`: extensions, which
 * docs/extensions.md describes.
 */
import { outerName, storedName } from "../access/namespaces.ts";
import { namespaceOf, type Principal } from "../access/principal.ts";
import { invalidRequest, Refused } from "../errors.ts";
import { matcherOf, parseGlob } from "../protocol/glob.ts";
import { faultOf, type Labels, MOST_LABELS } from "../protocol/labels.ts";
import { parseStreamPath, STREAM_PREFIX } from "../protocol/stream_path.ts";
import type { Entry } from "../streams/catalog/entry.ts";
import { pathFilter } from "../streams/catalog/path_ranges.ts";
import { CURSOR_LENGTH, isPlaceCursor } from "../streams/catalog/place_cursors.ts";
import type { Streams } from "../streams/streams.ts";
import type { Subscriptions } from "../subscriptions/subscriptions.ts";
import { respondMethodNotAllowed, respondRefusal } from "./error_responses.ts";
import { parseQuery } from "./query_parameters.ts";
import { respondJson } from "./respond.ts";

const LONGEST_PAGE = 1000;
const DEFAULT_PAGE = 100;
/** A path is no longer, in bytes. */
const LONGEST_TEXT = 1024;

export interface CatalogParts {
  readonly streams: Streams;
  readonly subscriptions: Subscriptions;
}

/** A request to the catalog; `principal` is null where there is no access control. */
export interface CatalogRequest {
  readonly method: string;
  /** What follows `?` in the URL, or "". */
  readonly query: string;
  readonly principal: Principal | null;
}

/**
 * `GET __ds/streams` and `GET __ds/streams/{path}`.
 * @param rawPath what follows `__ds/streams/`, as sent; null: the whole list
 */
export async function listedStreams(
  { streams }: CatalogParts,
  request: CatalogRequest,
  rawPath: string | null,
): Promise<Response> {
  if (!isRead(request.method)) return respondMethodNotAllowed("GET, HEAD");
  const { principal } = request;
  const namespace = namespaceOf(principal);
  if (rawPath !== null) {
    parseQuery(request.query, []);
    const path = parseStreamPath(STREAM_PREFIX + rawPath);
    if ("refusal" in path) return respondRefusal(path.refusal);
    const entry = await streams.catalog.find(storedName(namespace, path.value));
    const subscriptions = entry.subscriptions.filter(({ id }) => shows(principal, id))
      .map((subscription) => ({ ...subscription, id: outerName(namespace, subscription.id) }));
    const forkPaths = entry.fork_paths.map((stored) => outerName(namespace, stored))
      .filter((fork) => fork !== null && (principal?.allows("list", fork) ?? true));
    return respondJson(200, {
      ...outerEntry(principal, entry),
      subscriptions,
      fork_paths: forkPaths,
    });
  }
  const query = parseQuery(request.query, ["prefix", "after", "limit", "label"], ["label"]);
  const sealed = isPlaceCursor(query.get("after") ?? "");
  const after = textOf(query, "after", sealed ? CURSOR_LENGTH : LONGEST_TEXT);
  const { streams: entries, next_after: next } = await streams.catalog.list({
    filter: pathFilter(
      storedName(namespace, textOf(query, "prefix")),
      principal === null ? null : {
        globs: principal.globs("list"),
        matches: (path) => lists(principal, path),
      },
    ),
    after: after === "" || sealed ? after : storedName(namespace, after),
    limit: limitOf(query),
    labels: labelsOf(query),
  });
  return respondJson(200, {
    streams: entries.map((entry) => outerEntry(principal, entry)),
    next_after: next === null || isPlaceCursor(next) ? next : outerName(namespace, next),
  });
}

/** As the holder of a namespace calls the streams. A source that the holder may not list is not named. */
function outerEntry<E extends Entry>(principal: Principal | null, entry: E): E {
  if (principal === null) return entry;
  const { namespace } = principal;
  const { path, forked_from: source } = entry;
  return {
    ...entry,
    path: outerName(namespace, path) ?? path,
    forked_from: source !== null && lists(principal, source) ? outerName(namespace, source) : null,
  };
}

/** Whether a principal learns of the stream that is stored at this path. */
function lists(principal: Principal, stored: string): boolean {
  const path = outerName(principal.namespace, stored);
  return path !== null && principal.allows("list", path);
}

/** `GET __ds/usage`. A principal sees the sum of what it may list all of. */
export async function usage(
  { streams }: CatalogParts,
  { method, query: text, principal }: CatalogRequest,
): Promise<Response> {
  if (!isRead(method)) return respondMethodNotAllowed("GET, HEAD");
  const prefix = textOf(parseQuery(text, ["prefix"]), "prefix");
  const namespace = namespaceOf(principal);
  if (principal !== null && !listsAll(principal, prefix)) {
    throw new Refused({ kind: "forbidden", operation: "list" });
  }
  return respondJson(200, {
    prefix,
    ...await streams.catalog.usage(storedName(namespace, prefix)),
  });
}

/** `GET __ds/subscriptions`. */
export async function listedSubscriptions(
  { subscriptions }: CatalogParts,
  { method, query: text, principal }: CatalogRequest,
): Promise<Response> {
  if (!isRead(method)) return respondMethodNotAllowed("GET, HEAD");
  const query = parseQuery(text, ["after", "limit"]);
  const namespace = namespaceOf(principal);
  const outer = (name: string | null) => name === null ? null : outerName(namespace, name);
  const after = textOf(query, "after");
  const { subscriptions: found, next_after: next } = await subscriptions.list(
    {
      after: after === "" ? "" : storedName(namespace, after),
      limit: limitOf(query),
      within: namespace,
    },
    (id) => shows(principal, id),
  );
  return respondJson(200, {
    subscriptions: found.map((one) => ({ ...one, id: outer(one.id), pattern: outer(one.pattern) })),
    next_after: outer(next),
  });
}

/** Whether a principal learns of the subscription that is stored by this name. */
function shows(principal: Principal | null, stored: string): boolean {
  if (principal === null) return true;
  const id = outerName(principal.namespace, stored);
  return id !== null && (principal.allows("list", id) || principal.allows("subscribe", id));
}

/** Whether one rule lets the principal list every path that begins so. */
function listsAll(principal: Principal, prefix: string): boolean {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1).replaceAll("*", "%2A");
  const glob = parseGlob(`${folder}**`);
  return typeof glob !== "string" && principal.allowsPattern("list", matcherOf(glob));
}

function isRead(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

function textOf(query: URLSearchParams, name: string, longest = LONGEST_TEXT): string {
  const text = query.get(name) ?? "";
  // deno-lint-ignore no-control-regex
  const wrong = /[\x00-\x1f\x7f\ufffd]/.test(text) || !text.isWellFormed();
  if (wrong || new TextEncoder().encode(text).length > longest) {
    throw invalidRequest(`${name} is at most ${longest} bytes without control characters`);
  }
  return text;
}

function limitOf(query: URLSearchParams): number {
  const text = query.get("limit");
  if (text === null) return DEFAULT_PAGE;
  const limit = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LONGEST_PAGE) return limit;
  throw invalidRequest(`limit is a whole number from 1 to ${LONGEST_PAGE}`);
}

function labelsOf(query: URLSearchParams): Labels | null {
  const texts = query.getAll("label");
  if (texts.length === 0) return null;
  const labels = new Map<string, string>();
  for (const text of texts) {
    const colon = text.indexOf(":");
    if (colon < 0) throw invalidRequest("label is name:value");
    const [name, value] = [text.slice(0, colon), text.slice(colon + 1)];
    const fault = faultOf(name, value);
    if (fault !== null) throw invalidRequest(fault);
    if (labels.has(name)) throw invalidRequest(`label "${name}" comes more than once`);
    labels.set(name, value);
  }
  if (labels.size > MOST_LABELS) {
    throw invalidRequest(`a stream has at most ${MOST_LABELS} labels`);
  }
  return Object.fromEntries(labels);
}
