/**
 * Requests to a Durable Streams server: bounded waits, attempts until there is an answer, and one
 * kind of error.
 *
 * This is `fetch`, not the official `@durable-streams/client`, because that client cannot keep
 * what the commands promise. Its producer does not try again and takes messages without
 * backpressure; its readers parse JSON and write it anew (`1.0` becomes `1`) and end when a
 * connection is cut in a page; its `head` leaves out TTL and expiry, its `create` knows no forks,
 * and its back-off hides the server's own words. The tests read with it what the commands wrote.
 */
import { Buffer } from "node:buffer";
import { setTimeout as pause } from "node:timers/promises";
import { ClientError, EXIT, exitCodeOf } from "./exit_codes.ts";
import type { Patience } from "./patience.ts";

const ANSWER_MS = 60_000;
/** A long-poll is answered later; a server that waits longer is only asked again. */
export const LONG_POLL_ANSWER_MS = 120_000;
/** Between two pieces of a body. */
const STALL_MS = 60_000;
const LARGEST_ERROR_BODY = 64 << 10;
const RETRIED = [408, 429, 500, 502, 503, 504];

export interface StreamRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Statuses, besides successes, that the caller understands. */
  readonly expected?: readonly number[];
  /** False: an attempt that may have reached the server is not repeated. */
  readonly repeatable?: boolean;
  readonly answerMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** How many attempts before this one had no usable answer. */
  readonly failures: number;
  /** @throws NetworkError when the connection is cut before the body's end */
  body(): AsyncGenerator<Uint8Array>;
  /** Lets go of a body nobody reads. */
  discard(): Promise<void>;
}

/** No answer, or only a part of one. */
export class NetworkError extends Error {}

export interface ConnectionOptions {
  readonly patience: Patience;
  /** The Authorization header for a URL; null: none. */
  authorization(url: URL): string | null;
  /** Told once an outage. */
  onOutage(message: string): void;
}

export class Connection {
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /**
   * @returns a success, or one of the expected statuses
   * @throws ClientError for other answers, and when there is none in the time there is
   */
  async send(request: StreamRequest): Promise<Answer> {
    const { patience } = this.#options;
    for (let failures = 0;; failures++) {
      let problem: string;
      let retryAfterMs = 0;
      try {
        const answer = await this.#attempt(request, failures);
        patience.answered();
        if (answer.status < 300 || request.expected?.includes(answer.status)) return answer;
        const error = await errorOf(request, answer);
        const unchanged = request.repeatable !== false || answer.status === 429;
        if (!RETRIED.includes(answer.status) || !unchanged) throw error;
        problem = error.message;
        retryAfterMs = retryAfterOf(answer.headers);
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
        if (request.repeatable === false && !isRefused(error)) throw unknownFate(error);
        problem = error.message;
      }
      await this.waitAfter(problem, retryAfterMs);
    }
  }

  /** Something was achieved: the next failure begins an outage of its own. */
  progressed(): void {
    this.#options.patience.progressed();
  }

  /** @throws ClientError when there is no time left to try again in */
  async waitAfter(problem: string, retryAfterMs = 0): Promise<void> {
    const { patience, onOutage } = this.#options;
    const delay = patience.afterFailure(retryAfterMs);
    if (delay === null) throw new ClientError(EXIT.failure, problem);
    if (patience.outageBegan) onOutage(`${problem}; trying again`);
    await pause(delay);
  }

  async #attempt(request: StreamRequest, failures: number): Promise<Answer> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), request.answerMs ?? ANSWER_MS);
    const authorization = this.#options.authorization(request.url);
    let response: Response;
    try {
      response = await fetch(request.url, {
        method: request.method,
        headers: {
          ...request.headers,
          // The lengths of bodies are checked, and so must be those of the stream's own bytes.
          "accept-encoding": "identity",
          ...(authorization === null ? {} : { authorization }),
        },
        ...(request.body === undefined ? {} : { body: request.body }),
        // A POST that follows a redirect may become a GET: nothing appended, and all well.
        redirect: "manual",
        signal: abort.signal,
      });
    } catch (error) {
      throw new NetworkError(`${request.url.origin} does not answer (${reasonOf(error, abort)})`);
    } finally {
      clearTimeout(timer);
    }
    return {
      status: response.status,
      headers: response.headers,
      failures,
      body: () => bodyOf(response, abort),
      discard: async () => await response.body?.cancel().catch(() => {}),
    };
  }
}

async function* bodyOf(response: Response, abort: AbortController): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  let received = 0;
  try {
    while (true) {
      const timer = setTimeout(() => abort.abort(), STALL_MS);
      let piece;
      try {
        piece = await reader.read();
      } catch (error) {
        throw new NetworkError(`the connection was cut (${reasonOf(error, abort)})`);
      } finally {
        clearTimeout(timer);
      }
      if (piece.done) break;
      received += piece.value.length;
      yield piece.value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  // Not every runtime calls a body that ends early an error.
  const declared = response.headers.get("content-length");
  if (declared !== null && Number(declared) !== received) {
    throw new NetworkError("the connection was cut (the answer is incomplete)");
  }
}

function reasonOf(error: unknown, abort: AbortController): string {
  if (abort.signal.aborted) return "no answer in time";
  const { message, cause } = error as Error;
  const deepest = cause instanceof Error ? cause.message : message;
  // Deno's messages repeat the URL, which may be long, before what went wrong.
  return deepest.replace(/^.*\): /, "").replace(/\(os error \d+\)/, "").trim().slice(0, 200);
}

function isRefused(error: NetworkError): boolean {
  return /refused|unable to connect|dns|resolve|not known/i.test(error.message);
}

function unknownFate(error: NetworkError): ClientError {
  return new ClientError(
    EXIT.failure,
    `${error.message}; it may or may not have been appended: ` +
      "with --producer auto it is tried again, and appended once",
  );
}

/** In the server's own words, where it has some. */
async function errorOf(request: StreamRequest, answer: Answer): Promise<ClientError> {
  const { status, headers } = answer;
  const said = wordsOf(await textOf(answer));
  const url = request.url.origin + request.url.pathname;
  if (status >= 300 && status < 400) {
    const to = headers.get("location");
    return new ClientError(EXIT.failure, `${url} is elsewhere (${status}): use ${to ?? "its URL"}`);
  }
  const exitCode = status === 403 && headers.has("producer-epoch")
    ? EXIT.conflict
    : exitCodeOf(status);
  const words = said ?? MEANINGS[status] ?? "refused";
  return new ClientError(exitCode, `${url}: ${words} (HTTP ${status})`);
}

/** For answers without words, as those to HEAD are. */
const MEANINGS: Readonly<Record<number, string>> = {
  401: "a token is needed",
  403: "not allowed",
  404: "there is no such stream",
  410: "the stream was removed",
  503: "the server is busy or stopping",
};

async function textOf(answer: Answer): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of answer.body()) {
      pieces.push(piece);
      length += piece.length;
      if (length > LARGEST_ERROR_BODY) break;
    }
  } catch {
    // What has come will do.
  }
  return new TextDecoder().decode(Buffer.concat(pieces).subarray(0, LARGEST_ERROR_BODY));
}

function wordsOf(text: string): string | undefined {
  let said: unknown = text;
  try {
    const parsed = JSON.parse(text) as { error?: unknown; message?: unknown } | null;
    const { error } = parsed ?? {};
    said = typeof error === "object" ? (error as { message?: unknown } | null)?.message : error;
    said ??= parsed?.message;
  } catch {
    // A proxy's page, or plain text.
  }
  if (typeof said !== "string" || /^\s*</.test(said)) return undefined;
  // deno-lint-ignore no-control-regex -- what a server says must not steer the terminal
  const line = said.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim().slice(0, 300);
  return line === "" ? undefined : line;
}

function retryAfterOf(headers: Headers): number {
  const seconds = Number(headers.get("retry-after") ?? "");
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}
