/** What the routes need of the node that serves them. */
import type { Access } from "../access/access.ts";
import type { Quotas } from "../access/quotas.ts";
import type { Streams } from "../streams/streams.ts";
import type { Subscriptions } from "../subscriptions/subscriptions.ts";
import type { Telemetry } from "../telemetry/events.ts";
import type { CachePolicy } from "./cache_policy.ts";
import type { Dumps } from "./dump_route.ts";
import type { ResponseCache } from "./response_cache.ts";
import type { PageStreams } from "./page_stream.ts";

export interface RouterParts {
  readonly access: Access;
  /** Null: namespaces may hold anything. */
  readonly quotas: Quotas | null;
  readonly streams: Streams;
  readonly subscriptions: Subscriptions;
  readonly dumps: Dumps;
  readonly telemetry: Telemetry;
  /** Whether the node has been told to stop: nobody new should come. */
  readonly draining: () => boolean;
  /** What /metrics answers. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** What `__ds/node` answers. */
  readonly node: () => Promise<object>;
  /** Resolves when the database answers. */
  readonly ping: () => Promise<void>;
}

/** What reads need. */
export interface ReadParts {
  readonly streams: Streams;
  readonly pages: PageStreams;
  readonly responses: ResponseCache;
  readonly caches: CachePolicy;
  readonly longPollTimeoutMs: number;
  /** Followers at once, of this node. */
  readonly maxFollowers: number;
  /** A response that goes on says so, and calls what this returns when it has ended. */
  readonly keepLive?: () => () => void;
}
