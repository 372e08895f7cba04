/** What the routes need of the node that serves them. */
import type { Streams } from "../streams/streams.ts";
import type { Subscriptions } from "../subscriptions/subscriptions.ts";
import type { Telemetry } from "../telemetry.ts";

export interface RouterParts {
  readonly streams: Streams;
  readonly subscriptions: Subscriptions;
  readonly telemetry: Telemetry;
  /** Resolves when the database answers. */
  readonly ping: () => Promise<void>;
}
