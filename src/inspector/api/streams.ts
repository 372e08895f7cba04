/** The listing, and what can be done to a stream. */
import { ApiError, getJson, send, session, STREAMS } from "./request.ts";

export interface StreamEntry {
  readonly path: string;
  readonly content_type: string;
  readonly earliest_offset: string;
  readonly next_offset: string;
  readonly bytes: number;
  readonly messages: number | null;
  readonly closed: boolean;
  readonly ttl_seconds: number | null;
  readonly expires_at: string | null;
  readonly forked_from: string | null;
  readonly forks: number;
  /** On the node that answered. */
  readonly followers: number;
  readonly created_at: string | null;
  readonly last_append_at: string | null;
  readonly retention:
    | { readonly age_seconds: number | null; readonly bytes: number | null }
    | null;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Producer {
  readonly id: string;
  readonly epoch: number;
  readonly seq: number;
  readonly last_append_at: string | null;
}

export interface StreamSubscription {
  readonly id: string;
  readonly type: string;
  readonly acked_offset: string;
  readonly next_offset?: string;
}

export interface StreamDetail extends StreamEntry {
  readonly producers: readonly Producer[];
  readonly producers_total: number;
  readonly subscriptions: readonly StreamSubscription[];
  /** Streams that were forked from this one: not all, where there are many. */
  readonly fork_paths: readonly string[];
}

export interface Usage {
  readonly streams: number;
  readonly bytes: number;
  readonly estimated: boolean;
}

export interface Filter {
  readonly prefix: string;
  /** `name:value`, all of which a stream has. */
  readonly labels: readonly string[];
}

/** The URL of a stream. */
export function streamUrl(
  path: string,
  query: Readonly<Record<string, string>> = {},
): URL {
  return withQuery(new URL(encodePath(path), STREAMS), query);
}

/** The URL of a control API: `streams/chat/42/trim`, whose parts are encoded. */
export function controlUrl(
  path: string,
  query: Readonly<Record<string, string>> = {},
): URL {
  return withQuery(new URL(`__ds/${path}`, STREAMS), query);
}

export function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function withQuery(url: URL, query: Readonly<Record<string, string>>): URL {
  for (const [name, value] of Object.entries(query)) {
    url.searchParams.set(name, value);
  }
  return url;
}

export interface ListPage {
  readonly streams: readonly StreamEntry[];
  readonly next_after: string | null;
}

/** The streams whose paths begin with the prefix, in the order of their paths. */
export async function listStreams(
  { prefix, labels }: Filter,
  { after, limit, signal }: {
    readonly after: string | null;
    readonly limit: number;
    readonly signal?: AbortSignal;
  },
): Promise<ListPage> {
  const url = controlUrl("streams", { limit: String(limit) });
  if (prefix !== "") url.searchParams.set("prefix", prefix);
  if (after !== null) url.searchParams.set("after", after);
  for (const label of labels) url.searchParams.append("label", label);
  return await getJson<ListPage>(url, signal);
}

export function readStream(
  path: string,
  signal?: AbortSignal,
): Promise<StreamDetail> {
  return getJson<StreamDetail>(
    controlUrl(`streams/${encodePath(path)}`),
    signal,
  );
}

/** What HEAD says of a stream: all that a token without the right to list learns. */
export interface StreamHead {
  readonly contentType: string;
  readonly nextOffset: string;
  readonly closed: boolean;
}

export async function readHead(
  path: string,
  signal?: AbortSignal,
): Promise<StreamHead> {
  const options = signal === undefined ? {} : { signal };
  const { headers } = await send("HEAD", streamUrl(path), options);
  return {
    contentType: headers.get("content-type") ?? "application/octet-stream",
    nextOffset: headers.get("stream-next-offset") ?? "",
    closed: headers.get("stream-closed") === "true",
  };
}

export interface EarlierPage {
  readonly bytes: Uint8Array;
  /** Where the page begins; null where nothing comes before it. */
  readonly startOffset: string | null;
}

/** A page of what comes before an offset: so many messages, or bytes of what is not JSON. */
export async function readBefore(
  path: string,
  { before, limit, signal }: {
    readonly before: string;
    readonly limit: number;
    readonly signal: AbortSignal;
  },
): Promise<EarlierPage> {
  const response = await send("GET", streamUrl(path, { before, limit: String(limit) }), {
    signal,
  });
  return {
    bytes: new Uint8Array(await response.arrayBuffer()),
    startOffset: response.headers.get("stream-previous-offset"),
  };
}

export function readUsage(
  prefix: string,
  signal?: AbortSignal,
): Promise<Usage> {
  return getJson<Usage>(
    controlUrl("usage", prefix === "" ? {} : { prefix }),
    signal,
  );
}

/** A request that changes something: sent by a button, or copied as curl. */
export interface Action {
  readonly method: "PUT" | "POST" | "DELETE" | "GET";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export async function perform(
  { method, url, headers, body }: Action,
): Promise<Response> {
  if (session.value?.mode === "read-only" && method !== "GET") {
    throw new ApiError(0, "READ_ONLY", "this page only reads: the server says so");
  }
  return await send(method, url, {
    headers,
    ...body === undefined ? {} : { body },
  });
}

export interface NewStream {
  readonly path: string;
  readonly contentType: string;
  readonly ttlSeconds: string;
  readonly labels: string;
  readonly retention: string;
}

export function createAction(stream: NewStream): Action {
  const headers: Record<string, string> = {
    "Content-Type": stream.contentType,
  };
  if (stream.ttlSeconds !== "") headers["Stream-TTL"] = stream.ttlSeconds;
  if (stream.retention !== "") headers["Stream-Retention"] = stream.retention;
  for (
    const label of stream.labels.split(",").map((text) => text.trim()).filter(
      Boolean,
    )
  ) {
    const [name = "", ...value] = label.split(/[:=]/);
    headers[`Stream-Label-${name.trim()}`] = value.join(":").trim();
  }
  return { method: "PUT", url: streamUrl(stream.path), headers };
}

export function appendAction(
  path: string,
  contentType: string,
  body: string,
): Action {
  return {
    method: "POST",
    url: streamUrl(path),
    headers: { "Content-Type": contentType },
    body,
  };
}

export function closeAction(path: string, contentType: string): Action {
  return {
    method: "POST",
    url: streamUrl(path),
    headers: { "Content-Type": contentType, "Stream-Closed": "true" },
  };
}

/** @param offset where the fork leaves its source; null: at its end */
export function forkAction(
  source: StreamEntry,
  path: string,
  offset: string | null,
): Action {
  return {
    method: "PUT",
    url: streamUrl(path),
    headers: {
      "Content-Type": source.content_type,
      "Stream-Forked-From": `/${encodePath(source.path)}`,
      ...offset === null ? {} : { "Stream-Fork-Offset": offset },
    },
  };
}

export function deleteAction(path: string): Action {
  return { method: "DELETE", url: streamUrl(path), headers: {} };
}

export function trimAction(path: string, before: string): Action {
  return {
    method: "POST",
    url: controlUrl(`streams/${encodePath(path)}/trim`),
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ before }),
  };
}
