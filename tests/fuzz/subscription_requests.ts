/** Requests to the control APIs under `__ds`. Webhooks point to where nothing listens. */
import { jsonBody, jsonValue } from "./bodies.ts";
import { mutateBytes } from "./mutate.ts";
import { offset } from "./offsets.ts";
import type { Random } from "./random.ts";
import type { FuzzRequest } from "./request.ts";
import { streamName, SUBSCRIPTIONS, WAKES } from "./subjects.ts";

const BASE = "/v1/stream/__ds/subscriptions/";

const utf8 = new TextEncoder();

const WEBHOOKS = [
  "http://localhost:1/hook",
  "http://127.0.0.1:1/",
  "http://10.0.0.1/",
  "http://[::1]:1/",
  "https://user:password@localhost:1/",
  "ftp://localhost/",
  "not a url",
  "",
];

export function subscriptionRequest(random: Random): FuzzRequest {
  const id = random.pick(SUBSCRIPTIONS);
  return random.weighted([
    [30, () => control(random, "PUT", id, configuration(random))],
    [10, () => control(random, "GET", id, null)],
    [8, () => control(random, "DELETE", id, null)],
    [8, () => control(random, "POST", `${id}/streams`, { streams: paths(random) })],
    [4, () => control(random, "DELETE", `${id}/streams/${streamName(random)}`, null)],
    [
      14,
      () => control(random, "POST", `${id}/claim`, { worker: random.pick(["w1", "w2", "", 3]) }),
    ],
    [8, () => control(random, "POST", `${id}/ack`, wake(random))],
    [6, () => control(random, "POST", `${id}/callback`, wake(random))],
    [4, () => control(random, "POST", `${id}/release`, wake(random))],
    [2, () => ({ ...control(random, "GET", "", null), target: "/v1/stream/__ds/jwks.json" })],
  ])();
}

function control(random: Random, method: string, path: string, value: unknown): FuzzRequest {
  const headers: [string, string][] = [];
  if (value !== null) headers.push(["Content-Type", "application/json"]);
  if (/\/(ack|callback|release)$/.test(path) && random.chance(0.9)) {
    headers.push(["Authorization", `Bearer ${random.pick(["x", "e30.e30.e30", "a".repeat(300)])}`]);
  }
  let body = value === null ? null : utf8.encode(JSON.stringify(value));
  if (body !== null && random.chance(0.1)) body = new Uint8Array(mutateBytes(random, body));
  if (body !== null && random.chance(0.05)) body = new Uint8Array(jsonBody(random));
  return { method, target: BASE + path, headers, body, chunks: null };
}

function configuration(random: Random): unknown {
  const whole: Record<string, unknown> = random.chance(0.5)
    ? {
      type: "webhook",
      pattern: pattern(random),
      webhook: { url: random.chance(0.7) ? WEBHOOKS[0] : random.pick(WEBHOOKS) },
    }
    : { type: "pull-wake", pattern: pattern(random), wake_stream: WAKES };
  if (random.chance(0.3)) whole.streams = paths(random);
  if (random.chance(0.3)) {
    whole.lease_ttl_ms = random.pick([1000, 30_000, 600_000, 0, -1, 1.5, "1"]);
  }
  if (random.chance(0.2)) whole.description = random.pick(["", "text", "\0", "\ud800", 5]);
  if (random.chance(0.15)) {
    whole[random.pick(Object.keys(whole))] = jsonValue(random, 2);
  }
  return whole;
}

function pattern(random: Random): string {
  return random.pick([
    "t*",
    "j/*",
    "**",
    "*",
    "deep/**",
    "t0",
    "/t1",
    "**/**/**",
    "[",
    "%2A",
    "",
    "a//b",
  ]);
}

function paths(random: Random): unknown[] {
  return Array.from(
    { length: random.size(5) },
    () =>
      random.chance(0.9)
        ? decodeURIComponent(streamName(random))
        : random.pick(["", "..", 5, null]),
  );
}

function wake(random: Random): unknown {
  return {
    wake_id: random.pick(["w", "", 5, "00000000-0000-0000-0000-000000000000"]),
    generation: random.pick([0, 1, 2, -1, 1.5, 2 ** 53, "1"]),
    ...random.chance(0.5) ? { acks: [{ stream: streamName(random), offset: offset(random) }] } : {},
    ...random.chance(0.5) ? { done: random.pick([true, false, null, "true"]) } : {},
  };
}
