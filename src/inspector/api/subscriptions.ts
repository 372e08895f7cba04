/** Subscriptions: the list, and one of them as its maker would read it. */
import { maySome } from "./permissions.ts";
import { getJson } from "./request.ts";
import { type Action, controlUrl, listStreams } from "./streams.ts";

export interface SubscriptionEntry {
  readonly id: string;
  readonly type: string;
  readonly pattern: string | null;
  readonly streams: number;
  readonly state: string;
  readonly failures: number;
  readonly next_attempt_at: string | null;
  readonly lease_expires_at: string | null;
}

export interface SubscriptionDetail {
  readonly id: string;
  readonly type: string;
  readonly pattern?: string | null;
  readonly status?: string;
  readonly description?: string | null;
  readonly created_at?: string;
  readonly lease_ttl_ms?: number;
  readonly webhook?: { readonly url: string } | null;
  readonly wake_stream?: string | null;
  readonly streams?: readonly {
    readonly path: string;
    readonly acked_offset: string;
    readonly link_type?: string;
    readonly next_offset?: string;
  }[];
}

export interface SubscriptionPage {
  readonly subscriptions: readonly SubscriptionEntry[];
  /** Null: these are all. */
  readonly next_after: string | null;
}

/** The first thousand, which is as many as the server lists at a time. */
export function listSubscriptions(signal: AbortSignal): Promise<SubscriptionPage> {
  return getJson<SubscriptionPage>(controlUrl("subscriptions", { limit: "1000" }), signal);
}

/** With the tails of its streams, as far as the token may list them. */
export async function readSubscription(
  id: string,
  signal: AbortSignal,
): Promise<SubscriptionDetail> {
  const detail = await getJson<SubscriptionDetail>(subscriptionUrl(id), signal);
  const streams = detail.streams ?? [];
  if (streams.length === 0 || !maySome("list")) return detail;
  const tails = await readTails(streams.map(({ path }) => path), signal);
  return {
    ...detail,
    streams: streams.map((stream) => {
      const next = tails.get(stream.path);
      return next === undefined ? stream : { ...stream, next_offset: next };
    }),
  };
}

/** In one request, so not of all where there are very many with a common beginning. */
async function readTails(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const prefix = paths.reduce(commonPrefix);
  try {
    const page = await listStreams({ prefix, labels: [] }, { after: null, limit: 1000, signal });
    return new Map(page.streams.map(({ path, next_offset: next }) => [path, next]));
  } catch {
    return new Map();
  }
}

function commonPrefix(one: string, other: string): string {
  const left = [...one];
  const right = [...other];
  const at = left.findIndex((character, index) => character !== right[index]);
  return at === -1 ? one : left.slice(0, at).join("");
}

export function removeSubscriptionAction(id: string): Action {
  return { method: "DELETE", url: subscriptionUrl(id), headers: {} };
}

function subscriptionUrl(id: string): URL {
  return controlUrl(`subscriptions/${encodeURIComponent(id)}`);
}
