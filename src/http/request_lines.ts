/** A request that is logged or traced: its id, and its line and span when the response has ended. */
import { REQUEST_KINDS } from "../lib/telemetry/request_counts.ts";
import { type TracedRequest, tracing } from "../lib/telemetry/tracing.ts";
import type { RequestLine } from "../telemetry/access_log.ts";
import { addressOf, type Connection, type Handler, type TargetState } from "./server.ts";

export const REQUEST_ID = "X-Request-Id";
const MAX_ID_LENGTH = 128;
const MAX_FORWARDED_LENGTH = 256;

export interface LoggedRequest {
  readonly request: Request;
  readonly state: TargetState;
  readonly connection: Connection;
  /** An index of `REQUEST_KINDS`. */
  readonly kind: number;
  /** Null: it is not logged. */
  readonly log: ((line: RequestLine) => void) | null;
  /** Null: it is not traced. */
  readonly traced: TracedRequest | null;
}

/** The holders of the tokens of requests that are being logged. */
const principals = new WeakMap<Request, string>();
let logging = false;

/** To be called when a request has been authorized; costs nothing where requests are not logged. */
export function notePrincipal(request: Request, name: string): void {
  if (logging) principals.set(request, name);
}

/**
 * Handles a request, names it in X-Request-Id, and logs it when its response has been taken. Its span
 * ends then, too.
 */
export async function handleLogged(
  handler: Handler,
  { request, state, connection, kind, log, traced }: LoggedRequest,
): Promise<Response> {
  logging = log !== null;
  const began = performance.now();
  const requestId = requestIdOf(request.headers.get(REQUEST_ID));
  const forwarded = request.headers.get("x-forwarded-for");
  const { route, mode } = REQUEST_KINDS[kind]!;
  const line = {
    requestId,
    // A connection that ends loses its address: it is asked for first.
    address: addressOf(request, connection) ?? "",
    ...(forwarded === null ? {} : { forwardedFor: printable(forwarded, MAX_FORWARDED_LENGTH) }),
    method: request.method,
    path: pathOf(request.url),
    mode: mode === "" ? route : mode,
  };
  traced?.describe(line);
  const response = traced === null
    ? await handler(request, state, connection)
    : await traced.run(() => handler(request, state, connection));
  const { status } = response;
  const principal = principals.get(request);
  const named = principal === undefined ? line : { ...line, principal };
  let ended = false;
  const onEnd = (bytes: number) => {
    // A reader that breaks off ends its response, and the read in progress ends after that.
    if (ended) return;
    ended = true;
    log?.({ ...named, status, bytes, ms: Math.round((performance.now() - began) * 100) / 100 });
    traced?.end({ status, bytes });
  };
  // The body of a response to HEAD says to the runtime which length to say: it is never sent.
  const sent = request.method === "HEAD" ? null : response.body;
  const answered = await withCountedBody(response, { body: sent, onEnd });
  answered.headers.set(REQUEST_ID, requestId);
  return answered;
}

/** Null: nothing is traced, or the request is not sampled. @param kind an index of `REQUEST_KINDS` */
export function beginTrace(request: Request, kind: number): TracedRequest | null {
  const { active } = tracing;
  const { route, mode } = REQUEST_KINDS[kind]!;
  // Probes come all the time, and no trace is about them.
  if (active === null || route === "health" || route === "metrics") return null;
  return active.beginRequest(request.headers, `${request.method} ${mode === "" ? route : mode}`);
}

/** The client's own id, if it is printable and short enough for a log; else a new one. */
export function requestIdOf(given: string | null): string {
  return given !== null && given.length <= MAX_ID_LENGTH && /^[\x21-\x7e]+$/.test(given)
    ? given
    : crypto.randomUUID();
}

interface CountedBody {
  /** Null: nothing is sent. */
  readonly body: ReadableStream<Uint8Array> | null;
  readonly onEnd: (bytes: number) => void;
}

/** The same response, which tells the bytes of its body when that has ended. */
async function withCountedBody(
  response: Response,
  { body, onEnd }: CountedBody,
): Promise<Response> {
  const { status, headers } = response;
  if (body === null) {
    onEnd(0);
    return response;
  }
  const streamed = headers.has("content-length") ||
    headers.get("content-type") === "text/event-stream";
  // As a stream it would go out in chunks, without a Content-Length.
  if (!streamed) {
    const bytes = await response.arrayBuffer();
    onEnd(bytes.byteLength);
    return new Response(bytes, { status, headers });
  }
  return new Response(countedStream(body, onEnd), { status, headers });
}

function countedStream(
  body: ReadableStream<Uint8Array>,
  onEnd: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  let cancelled = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (cancelled) return;
        if (done) {
          onEnd(bytes);
          return controller.close();
        }
        bytes += value.length;
        controller.enqueue(value);
      } catch (error) {
        onEnd(bytes);
        throw error;
      }
    },
    cancel(reason) {
      cancelled = true;
      onEnd(bytes);
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

function pathOf(url: string): string {
  const start = url.startsWith("/") ? 0 : Math.max(0, url.indexOf("/", 8));
  const question = url.indexOf("?", start);
  return question === -1 ? url.slice(start) : url.slice(start, question);
}

function printable(text: string, length: number): string {
  return text.slice(0, length).replace(/[^\x20-\x7e]/g, "?");
}
