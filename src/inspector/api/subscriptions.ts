/** Subscriptions: the list, and one of them as its maker would read it. */
import { getJson } from "./request.ts";
import { type Action, controlUrl } from "./streams.ts";

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

export async function listSubscriptions(
  signal?: AbortSignal,
): Promise<readonly SubscriptionEntry[]> {
  const { subscriptions } = await getJson<
    { subscriptions: SubscriptionEntry[] }
  >(
    controlUrl("subscriptions"),
    signal,
  );
  return subscriptions;
}

export function readSubscription(
  id: string,
  signal?: AbortSignal,
): Promise<SubscriptionDetail> {
  return getJson<SubscriptionDetail>(subscriptionUrl(id), signal);
}

export function removeSubscriptionAction(id: string): Action {
  return { method: "DELETE", url: subscriptionUrl(id), headers: {} };
}

function subscriptionUrl(id: string): URL {
  return controlUrl(`subscriptions/${encodeURIComponent(id)}`);
}
