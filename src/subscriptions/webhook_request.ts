/**
 * One POST to a webhook. The address is resolved and judged anew each time, and the connection
 * goes to the very address that was judged: a name that changes its mind in between gains nothing.
 * Redirects are failures, and neither time nor the answer's size is the receiver's to choose.
 */
import { lookup } from "node:dns";
import { type IncomingMessage, request as requestHttp, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { hostOf, portOf, type WebhookPolicy } from "./webhook_policy.ts";

/**
 * The longest response body that is read, in bytes. The only one with a meaning is `{"done":true}`.
 */
const LARGEST_ANSWER = 64 << 10;

export type WebhookAnswer =
  /** 2xx: the receiver has it. `done`: and is through with it. */
  | { readonly kind: "accepted"; readonly status: number; readonly done: boolean }
  /** It is tried again later. `reason` is for the operator, and never repeats the answer. */
  | { readonly kind: "failed"; readonly reason: string };

export interface WebhookPost {
  readonly url: URL;
  readonly policy: WebhookPolicy;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** The time limit from the name lookup to the end of the response. */
  readonly timeoutMs: number;
  /** Aborts the request when the node drains. */
  readonly signal: AbortSignal;
}

/** Never rejects. */
export function postWebhook(post: WebhookPost): Promise<WebhookAnswer> {
  const { url, policy, body } = post;
  return new Promise((resolve) => {
    const options: RequestOptions = {
      method: "POST",
      // A connection of its own: a pooled one would be to an address judged some other time.
      agent: false,
      hostname: hostOf(url),
      port: portOf(url),
      path: url.pathname + url.search,
      headers: { ...post.headers, host: url.host, "content-length": String(body.length) },
      lookup: lookupFor(url, policy),
    };
    const host = hostOf(url);
    const refusal = isIP(host) > 0 ? policy.refuseAddress(url, host) : null;
    if (refusal !== null) return resolve(failed(refusal));
    const request = url.protocol === "https:" ? requestHttps(options) : requestHttp(options);
    const finish = (answer: WebhookAnswer) => {
      clearTimeout(timer);
      post.signal.removeEventListener("abort", onAbort);
      resolve(answer);
      request.destroy();
    };
    const onAbort = () => finish(failed("the node is draining"));
    const timer = setTimeout(
      () => finish(failed(`no whole answer within ${post.timeoutMs} ms`)),
      post.timeoutMs,
    );
    post.signal.addEventListener("abort", onAbort);
    request.on("error", (error) => finish(failed(error.message)));
    request.on("response", (response) => read(response, finish));
    if (post.signal.aborted) return onAbort();
    request.end(body);
  });
}

function read(response: IncomingMessage, finish: (answer: WebhookAnswer) => void): void {
  const status = response.statusCode ?? 0;
  if (status >= 300 && status < 400) return finish(failed(`${status}: redirects are not followed`));
  if (status < 200 || status >= 300) return finish(failed(`answered ${status}`));
  const chunks: Uint8Array[] = [];
  let length = 0;
  response.on("data", (chunk: Uint8Array) => {
    length += chunk.length;
    if (length > LARGEST_ANSWER) finish(failed(`answered more than ${LARGEST_ANSWER} bytes`));
    else chunks.push(chunk);
  });
  response.on("error", (error) => finish(failed(error.message)));
  response.on("aborted", () => finish(failed("the answer ended early")));
  response.on(
    "end",
    () => finish({ kind: "accepted", status, done: saysDone(Buffer.concat(chunks)) }),
  );
}

/** A receiver may answer anything with 2xx; only `{"done":true}` means more than "received". */
function saysDone(body: Uint8Array): boolean {
  try {
    const answer: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof answer === "object" && answer !== null &&
      (answer as { done?: unknown }).done === true;
  } catch {
    return false;
  }
}

/** Resolves as ever, and lets through only what may be connected to: one bad address spoils all. */
function lookupFor(url: URL, policy: WebhookPolicy): NonNullable<RequestOptions["lookup"]> {
  return (hostname, options, callback) => {
    lookup(hostname, { all: true, verbatim: true }, (error, addresses) => {
      if (error !== null) return callback(error, "", 0);
      const first = addresses[0];
      if (first === undefined) return callback(new Error("the name has no address"), "", 0);
      for (const { address } of addresses) {
        const refusal = policy.refuseAddress(url, address);
        if (refusal !== null) return callback(new Error(refusal), "", 0);
      }
      if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function failed(reason: string): WebhookAnswer {
  return { kind: "failed", reason };
}
