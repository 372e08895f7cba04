/**
 * The names the fuzzer plays with: few, so that its requests meet each other's traces; and others
 * after some thousand cases, for in the end each is held for ever by the forks of what it was.
 */
import type { Random } from "./random.ts";

const PREFIX = "/v1/stream/";

/** Streams, by what they are created as. */
export const TYPES = ["text/plain", "application/json", "application/octet-stream"] as const;

const STREAMS: readonly string[] = [
  ...Array.from({ length: 8 }, (_, at) => `t${at}`),
  ...Array.from({ length: 8 }, (_, at) => `j/${at}`),
  ...Array.from({ length: 6 }, (_, at) => `b${at}`),
  "a%20b",
  "caf%C3%A9",
  "deep/er/and/deeper",
];

export const SUBSCRIPTIONS = ["s0", "s1", "s2", "s3", "s%204"] as const;

/** The stream that pull-wake subscriptions write to. */
export const WAKES = "wakes";

const ODD_PATHS = [
  "/",
  "/v1",
  "/v1/stream",
  "/v1/stream/",
  "/v1/stream//x",
  "/v1/stream/../x",
  "/v1/stream/%2e%2e/x",
  "/v1/stream/x%2Fy",
  "/v1/stream/%00",
  "/v1/stream/%ff",
  "/v1/stream/%",
  "/v1/stream/__ds",
  "/v1/stream/__ds/",
  "/v1/stream/__ds/x",
  "/v1/stream/__ds/jwks.json",
  "/v1/stream/__ds/subscriptions",
  "/v1/stream/__ds/subscriptions/",
  "/v1/stream/__ds/subscriptions/s0/nothing",
  "/v1/stream/__ds/subscriptions/%/claim",
  "/health",
  "/live",
  "/ready",
  "/favicon.ico",
];

/** A stream's name, percent-encoded. */
export function streamName(random: Random): string {
  const name = random.pick(STREAMS);
  return random.generation === 0 ? name : `${name}-${random.generation}`;
}

export function streamPath(random: Random): string {
  return random.chance(0.05) ? random.pick(ODD_PATHS) : PREFIX + streamName(random);
}

export function typeOf(path: string, random: Random): string {
  if (random.chance(0.1)) return random.pick(TYPES);
  const name = path.slice(PREFIX.length);
  if (name.startsWith("j") || name === WAKES) return "application/json";
  return name.startsWith("b") ? "application/octet-stream" : "text/plain";
}
