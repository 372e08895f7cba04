/** What one node does. The server's word for it is `__ds/node`. */
import { getJson } from "./request.ts";
import { controlUrl } from "./streams.ts";

export interface Quantiles {
  /** Null where nothing happened. */
  readonly p50: number | null;
  readonly p99: number | null;
}

export interface NodeReport {
  readonly version: string;
  readonly node: string;
  readonly started_at: string;
  /** What only the database knows is null while it does not answer. */
  readonly database: {
    readonly kind: string;
    readonly version: string | null;
    readonly bytes: number | null;
  };
  readonly totals: Readonly<
    Record<
      | "appends"
      | "append_messages"
      | "append_bytes"
      | "commits"
      | "reads"
      | "read_bytes"
      | "requests"
      | "refused",
      number
    >
  >;
  readonly followers: { readonly long_poll: number; readonly sse: number };
  readonly latency_seconds: Readonly<Record<"append" | "commit" | "wake_up", Quantiles>>;
  readonly commit_streams: Quantiles;
  readonly event_loop_delay_seconds: { readonly p99: number | null };
  readonly memory_bytes: {
    readonly rss: number;
    readonly heap: number;
    readonly buffered: number;
  };
  readonly subscriptions: {
    readonly due: number | null;
    readonly leased: number | null;
    readonly failing: number | null;
  };
}

export function readNode(signal?: AbortSignal): Promise<NodeReport> {
  return getJson<NodeReport>(controlUrl("node"), signal);
}
