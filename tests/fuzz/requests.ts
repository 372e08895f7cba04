/** Requests made from valid ones: every route, method, header, query and body, right and wrong. */
import { jsonBody, textBody } from "./bodies.ts";
import { mutateBytes, mutateText } from "./mutate.ts";
import { offset } from "./offsets.ts";
import type { Random } from "./random.ts";
import type { FuzzRequest } from "./request.ts";
import { streamName, streamPath, typeOf } from "./subjects.ts";
import { subscriptionRequest } from "./subscription_requests.ts";

type Headers = (readonly [string, string])[];

const METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"];

/** One request, valid in about half of all cases. */
export function makeRequest(random: Random): FuzzRequest {
  const request = random.weighted([
    [30, appendRequest],
    [18, readRequest],
    [22, createRequest],
    [3, forkRequest],
    [2, closeRequest],
    [3, deleteRequest],
    [3, headRequest],
    [12, subscriptionRequest],
    [2, otherRequest],
  ])(random);
  return random.chance(0.25) ? mutateRequest(random, request) : request;
}

function framing(random: Random, body: Uint8Array): readonly number[] | null {
  if (random.chance(0.8)) return null;
  return [1 + random.below(body.length + 1), 1 + random.below(64)].map((size) => Math.max(1, size));
}

function bodyFor(type: string, random: Random): Uint8Array {
  const json = type.startsWith("application/json");
  return json !== random.chance(0.03) ? jsonBody(random) : textBody(random);
}

function withBody(
  random: Random,
  request: { method: string; target: string; headers: Headers },
  body: Uint8Array,
): FuzzRequest {
  return { ...request, body, chunks: framing(random, body) };
}

function appendRequest(random: Random): FuzzRequest {
  const target = streamPath(random);
  const type = typeOf(target, random);
  const headers: Headers = [[
    "Content-Type",
    random.chance(0.05) ? `${type}; charset=utf-8` : type,
  ]];
  if (random.chance(0.25)) {
    headers.push(
      ["Producer-Id", random.pick(["p0", "p1", "p2", "p\xe9", "x".repeat(512)])],
      ["Producer-Epoch", String(counter(random, 3))],
      ["Producer-Seq", String(counter(random, 3))],
    );
  }
  if (random.chance(0.1)) headers.push(["Stream-Seq", String(random.below(1000))]);
  if (random.chance(0.02)) headers.push(["Stream-Closed", "true"]);
  return withBody(random, { method: "POST", target, headers }, bodyFor(type, random));
}

function counter(random: Random, usual: number): number {
  return random.chance(0.95)
    ? random.below(usual)
    : random.pick([2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER, 2 ** 53]);
}

function createRequest(random: Random): FuzzRequest {
  const target = streamPath(random);
  const type = typeOf(target, random);
  const headers: Headers = [["Content-Type", type]];
  if (random.chance(0.25)) {
    headers.push(["Stream-TTL", random.pick(["1", "2", "60", "3155760000"])]);
  }
  if (random.chance(0.08)) headers.push(["Stream-Expires-At", moment(random)]);
  if (random.chance(0.05)) headers.push(["Stream-Closed", "true"]);
  if (random.chance(0.6)) return { method: "PUT", target, headers, body: null, chunks: null };
  return withBody(random, { method: "PUT", target, headers }, bodyFor(type, random));
}

function moment(random: Random): string {
  return random.pick([
    "2030-01-01T00:00:00Z",
    "2099-12-31T23:59:59.999999999+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "9999-12-31T23:59:59Z",
    "2000-02-29T00:00:00-00:00",
    "0000-01-01T00:00:00Z",
  ]);
}

function forkRequest(random: Random): FuzzRequest {
  const headers: Headers = [["Stream-Forked-From", streamPath(random)]];
  if (random.chance(0.5)) headers.push(["Stream-Fork-Offset", offset(random)]);
  if (random.chance(0.3)) headers.push(["Stream-Fork-Sub-Offset", String(counter(random, 20))]);
  if (random.chance(0.2)) headers.push(["Stream-TTL", "60"]);
  if (random.chance(0.2)) headers.push(["Content-Type", random.pick(["text/plain", "a/b"])]);
  return { method: "PUT", target: streamPath(random), headers, body: null, chunks: null };
}

function closeRequest(random: Random): FuzzRequest {
  const headers: Headers = [["Stream-Closed", random.pick(["true", "TRUE", "false", "1"])]];
  return { method: "POST", target: streamPath(random), headers, body: null, chunks: null };
}

function deleteRequest(random: Random): FuzzRequest {
  return { method: "DELETE", target: streamPath(random), headers: [], body: null, chunks: null };
}

function headRequest(random: Random): FuzzRequest {
  return { method: "HEAD", target: streamPath(random), headers: [], body: null, chunks: null };
}

function otherRequest(random: Random): FuzzRequest {
  const headers: Headers = [
    ["Origin", "https://app.example"],
    ["Access-Control-Request-Method", "PUT"],
  ];
  return {
    method: random.pick(METHODS),
    target: streamPath(random),
    headers,
    body: null,
    chunks: null,
  };
}

function readRequest(random: Random): FuzzRequest {
  const parameters: string[] = [];
  if (random.chance(0.9)) parameters.push(`offset=${offset(random)}`);
  if (random.chance(0.25)) parameters.push(`live=${random.pick(["long-poll", "sse", "sse", "x"])}`);
  if (random.chance(0.1)) parameters.push(`cursor=${random.pick(["0", "1", "99999999999", "x"])}`);
  if (random.chance(0.03)) parameters.push(random.pick(["a=b", "offset=-1", "&&", "live", "%"]));
  const headers: Headers = [];
  if (random.chance(0.1)) headers.push(["If-None-Match", etag(random)]);
  if (random.chance(0.05)) headers.push(["Range", "bytes=0-1"]);
  const query = parameters.length > 0 ? `?${parameters.join("&")}` : "";
  return { method: "GET", target: streamPath(random) + query, headers, body: null, chunks: null };
}

function etag(random: Random): string {
  return random.pick([
    "*",
    '"x"',
    'W/"1:0:0"',
    '"1:0:0", "2:0:5"',
    `"${random.below(40)}:0:0"`,
    "",
  ]);
}

/** One thing about it made wrong. */
function mutateRequest(random: Random, request: FuzzRequest): FuzzRequest {
  const { headers } = request;
  const at = random.below(headers.length + 1);
  return random.pick<() => FuzzRequest>([
    () => ({ ...request, method: random.pick(METHODS) }),
    () => ({
      ...request,
      target: request.target + mutateText(random, "?x=%20").replace(/[\s#]/g, ""),
    }),
    () => ({ ...request, target: `/v1/stream/${streamName(random)}/${streamName(random)}` }),
    () => ({ ...request, headers: headers.filter((_, index) => index !== at) }),
    () => ({ ...request, headers: headers.flatMap((header) => [header, header]) }),
    () => ({
      ...request,
      headers: headers.map(([name, value], index) =>
        index === at % Math.max(1, headers.length)
          ? [name, mutateText(random, value)]
          : [name, value]
      ),
    }),
    () => ({
      ...request,
      body: request.body === null ? textBody(random) : mutateBytes(random, request.body),
    }),
    () => ({ ...request, body: null, chunks: null }),
    () => ({
      ...request,
      headers: [...headers, [
        random.pick([
          "Expect",
          "Upgrade",
          "Accept-Encoding",
          "Content-Encoding",
          "X-Forwarded-Proto",
          "Authorization",
          "Cookie",
          "If-None-Match",
          "Stream-TTL",
          "Stream-Seq",
          "Stream-Closed",
          "Producer-Id",
          "Last-Event-ID",
          "Range",
          "Content-Type",
          "Stream-Forked-From",
        ]),
        mutateText(
          random,
          random.pick(["100-continue", "websocket", "gzip", "https", "text/plain"]),
        ),
      ]],
    }),
  ])();
}
