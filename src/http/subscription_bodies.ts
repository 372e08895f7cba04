/** What requests to the subscription APIs may hold, and how it is read. All else is a 400. */
import { decodeOffset } from "../protocol/offset.ts";
import { parseStreamPath, STREAM_PREFIX } from "../protocol/stream_path.ts";
import {
  type Configuration,
  DEFAULT_LEASE_MS,
  LONGEST_LEASE_MS,
  SHORTEST_LEASE_MS,
} from "../subscriptions/configuration.ts";
import { type Glob, parseGlob } from "../protocol/glob.ts";
import { invalidRequest, Refused } from "../errors.ts";
import { type AckRequest, type WakeRequest, wakesItself } from "../subscriptions/subscriptions.ts";

/** Bytes of a body: ten thousand paths or acks and more. */
export const LARGEST_BODY = 4 << 20;
const MOST_STREAMS = 10_000;
const LONGEST_DESCRIPTION = 4096;
const LONGEST_WORKER = 256;

type Members = Readonly<Record<string, unknown>>;

/** @throws Refused `invalid` */
export function parseObject(body: Uint8Array): Members {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw invalidRequest("the body is not JSON");
  }
  return objectOf(value, "the body");
}

/** Section 6.2. @throws Refused `invalid` */
export function parseConfiguration(body: Members): Configuration {
  const { type } = body;
  if (type !== "webhook" && type !== "pull-wake") {
    throw invalidRequest('type is "webhook" or "pull-wake"');
  }
  const glob = parsePattern(body.pattern);
  const streams = absent(body.streams) ? [] : parsePaths(body.streams, "streams");
  if (glob === null && streams.length === 0) {
    throw invalidRequest("at least one of pattern and streams is needed");
  }
  // Section 6.2 shows the fields of both types at once, so those of the other type are accepted,
  // and only their shape is checked.
  const url = absent(body.webhook) ? null : textOf(objectOf(body.webhook, "webhook").url, {
    name: "webhook.url",
    longest: 2048,
  });
  const wakeStream = absent(body.wake_stream) ? null : parsePath(body.wake_stream, "wake_stream");
  const shared = {
    glob,
    streams,
    leaseTtlMs: parseLease(body.lease_ttl_ms),
    description: absent(body.description) ? null : textOf(body.description, {
      name: "description",
      longest: LONGEST_DESCRIPTION,
      mayBeEmpty: true,
    }),
  };
  if (type === "webhook") {
    if (url === null) throw invalidRequest("a webhook subscription needs webhook.url");
    return { ...shared, delivery: { type, url } };
  }
  if (wakeStream === null) throw invalidRequest("a pull-wake subscription needs wake_stream");
  if (streams.includes(wakeStream)) throw wakesItself();
  return { ...shared, delivery: { type, wakeStream } };
}

/** Section 6.4: sorted, each once. @throws Refused `invalid` */
export function parseStreams(body: Members): string[] {
  const streams = parsePaths(body.streams, "streams");
  if (streams.length === 0) throw invalidRequest("streams is empty");
  return streams;
}

/** @throws Refused `invalid` */
export function parseWorker(body: Members): string {
  return textOf(body.worker, { name: "worker", longest: LONGEST_WORKER });
}

/** @throws Refused `invalid` */
export function parseWake(body: Members, token: string): WakeRequest {
  const { generation } = body;
  if (typeof generation !== "number" || !Number.isSafeInteger(generation) || generation < 0) {
    throw invalidRequest("generation is a whole number");
  }
  return { token, generation, wakeId: textOf(body.wake_id, { name: "wake_id", longest: 256 }) };
}

/** @throws Refused `invalid` or `ack_offset_invalid` */
export function parseAck(body: Members, token: string): AckRequest {
  const { acks, done } = body;
  if (!absent(done) && typeof done !== "boolean") throw invalidRequest("done is true or false");
  if (!absent(acks) && !Array.isArray(acks)) throw invalidRequest("acks is an array");
  const list: unknown[] = absent(acks) ? [] : acks as unknown[];
  if (list.length > MOST_STREAMS) throw invalidRequest(`acks has more than ${MOST_STREAMS} items`);
  return {
    ...parseWake(body, token),
    acks: list.map((item) => {
      const ack = objectOf(item, "an item of acks");
      const path = parsePath(ack.stream, "acks[].stream");
      if (typeof ack.offset !== "string") throw invalidRequest("acks[].offset is a string");
      const offset = decodeOffset(ack.offset);
      if (offset === null) {
        throw new Refused({
          kind: "ack_offset_invalid",
          message: `no offset of a stream: ${path}`,
        });
      }
      return { path, ...offset };
    }),
    done: done === true,
  };
}

/**
 * A stream-root-relative path as bodies hold it: not percent-encoded, a slash before it allowed.
 */
export function parsePath(value: unknown, name: string): string {
  if (typeof value !== "string" || !value.isWellFormed()) {
    throw invalidRequest(`${name} is a stream's path`);
  }
  const segments = value.replace(/^\//, "").split("/");
  const path = parseStreamPath(STREAM_PREFIX + segments.map(encodeURIComponent).join("/"));
  if (!("refusal" in path)) return path.value;
  throw invalidRequest(
    `${name}: ${path.refusal.kind === "invalid" ? path.refusal.message : "not a path"}`,
  );
}

function parsePaths(value: unknown, name: string): string[] {
  if (!Array.isArray(value)) throw invalidRequest(`${name} is an array of paths`);
  if (value.length > MOST_STREAMS) {
    throw invalidRequest(`${name} has more than ${MOST_STREAMS} items`);
  }
  return [...new Set(value.map((item) => parsePath(item, `an item of ${name}`)))].sort();
}

function parsePattern(value: unknown): Glob | null {
  if (absent(value)) return null;
  if (typeof value !== "string") throw invalidRequest("pattern is a string");
  const glob = parseGlob(value.replace(/^\//, ""));
  if (typeof glob === "string") throw invalidRequest(glob);
  return glob;
}

function parseLease(value: unknown): number {
  if (absent(value)) return DEFAULT_LEASE_MS;
  const whole = typeof value === "number" && Number.isInteger(value);
  if (whole && value >= SHORTEST_LEASE_MS && value <= LONGEST_LEASE_MS) return value;
  throw invalidRequest(
    `lease_ttl_ms is a whole number from ${SHORTEST_LEASE_MS} to ${LONGEST_LEASE_MS}`,
  );
}

function textOf(
  value: unknown,
  rule: { readonly name: string; readonly longest: number; readonly mayBeEmpty?: true },
): string {
  const { name, longest } = rule;
  if (typeof value !== "string" || (value === "" && rule.mayBeEmpty !== true)) {
    throw invalidRequest(`${name} is a string`);
  }
  // Postgres keeps no NUL, and no half of a surrogate pair.
  if (value.length > longest || value.includes("\0") || !value.isWellFormed()) {
    throw invalidRequest(`${name} is longer than ${longest}, or no text`);
  }
  return value;
}

function objectOf(value: unknown, name: string): Members {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members;
  throw invalidRequest(`${name} is an object`);
}

/** A member that is null is a member that is not there: that is how our own answers say it. */
function absent(value: unknown): boolean {
  return value === undefined || value === null;
}
