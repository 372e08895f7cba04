/** What a subscription is asked to be (section 6.2), normalised: the part that is hashed. */
import { createHash } from "node:crypto";
import type { Glob } from "../protocol/glob.ts";

export const DEFAULT_LEASE_MS = 30_000;
export const SHORTEST_LEASE_MS = 1000;
export const LONGEST_LEASE_MS = 600_000;

export interface Configuration {
  readonly glob: Glob | null;
  /** Explicit paths: sorted, each once. */
  readonly streams: readonly string[];
  readonly delivery:
    | { readonly type: "webhook"; readonly url: string }
    | { readonly type: "pull-wake"; readonly wakeStream: string };
  readonly leaseTtlMs: number;
  readonly description: string | null;
}

/** SHA-256, hexadecimal. Two PUTs mean the same subscription when their hashes are equal. */
export function hashOf(configuration: Configuration): string {
  const { glob, streams, delivery, leaseTtlMs, description } = configuration;
  const canonical = [
    delivery.type,
    glob?.pattern ?? null,
    streams,
    delivery.type === "webhook" ? delivery.url : delivery.wakeStream,
    leaseTtlMs,
    description,
  ];
  return createHash("sha256").update(JSON.stringify(canonical)).digest("hex");
}
