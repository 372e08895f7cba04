/** Requests to the server that this page came from, with the token that a person gave it. */
import { signal } from "@preact/signals";

/** `https://host/prefix/v1/stream/`: relative to the page, so that a proxy's prefix stays. */
export const STREAMS = new URL("../v1/stream/", document.baseURI);
const SESSION = new URL("session", document.baseURI);
const STORED = "penstock.token";

export interface Session {
  readonly version: string;
  readonly mode: "on" | "read-only";
  readonly access_control: boolean;
  readonly principal:
    | {
      readonly name: string;
      readonly rules: readonly string[];
      readonly expires_at: string | null;
    }
    | null;
}

/** Why the server did not do what it was asked. */
export class ApiError extends Error {
  override name = "ApiError";

  constructor(
    /** 0: there was no response. */
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }
}

/** `out`: a token is needed before anything can be shown. */
export type SessionState = "opening" | "open" | "out" | "unreachable";

export const session = signal<Session | null>(null);
export const sessionState = signal<SessionState>("opening");
/** Why the last token was not accepted; null where none was given. */
export const sessionProblem = signal<string | null>(null);

/** Asks what the server is, and what the token of this tab may do. */
export async function openSession(): Promise<void> {
  try {
    const response = await send("GET", SESSION);
    session.value = await response.json() as Session;
    sessionState.value = "open";
    sessionProblem.value = null;
  } catch (error) {
    const { status, message } = asApiError(error);
    sessionProblem.value = hasToken() || status !== 401 ? message : null;
    sessionState.value = status === 401 ? "out" : "unreachable";
  }
}

/** Kept for this tab, until it is closed. */
export async function signIn(token: string): Promise<void> {
  sessionStorage.setItem(STORED, token);
  await openSession();
}

export async function signOut(): Promise<void> {
  sessionStorage.removeItem(STORED);
  session.value = null;
  await openSession();
}

export function hasToken(): boolean {
  return sessionStorage.getItem(STORED) !== null;
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodyInit;
  readonly signal?: AbortSignal;
}

/** @throws ApiError unless the status is 2xx */
export async function send(
  method: string,
  url: URL,
  { headers = {}, body, signal }: RequestOptions = {},
): Promise<Response> {
  const token = sessionStorage.getItem(STORED);
  const authorization: Record<string, string> = token === null
    ? {}
    : { authorization: `Bearer ${token}` };
  const init: RequestInit = {
    method,
    headers: { ...headers, ...authorization },
    cache: "no-store",
  };
  if (body !== undefined) init.body = body;
  if (signal !== undefined) init.signal = signal;
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "UNREACHABLE", "the server does not answer");
  }
  if (response.ok) return response;
  const refusal = await errorOf(response);
  // The token has ended, or was revoked, while the page was open.
  if (refusal.status === 401 && sessionState.value === "open") {
    sessionProblem.value = refusal.message;
    sessionState.value = "out";
  }
  throw refusal;
}

export async function getJson<T>(url: URL, signal?: AbortSignal): Promise<T> {
  const response = await send(
    "GET",
    url,
    signal === undefined ? {} : { signal },
  );
  return await response.json() as T;
}

const BODILESS: Readonly<Record<number, readonly [code: string, message: string]>> = {
  401: ["UNAUTHENTICATED", "a token is needed"],
  403: ["FORBIDDEN", "no rule of this token allows it"],
  404: ["STREAM_NOT_FOUND", "there is no such stream"],
  410: ["STREAM_GONE", "the stream was deleted"],
};

async function errorOf(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get("retry-after"));
  const retryAfterMs = retryAfter > 0 ? retryAfter * 1000 : null;
  try {
    const { error } = await response.json() as {
      error: { code: string; message: string };
    };
    return new ApiError(
      response.status,
      error.code,
      error.message,
      retryAfterMs,
    );
  } catch {
    const { status, statusText } = response;
    // An answer to HEAD says no more than its status.
    const [code, message] = BODILESS[status] ?? [`HTTP_${status}`, statusText];
    return new ApiError(status, code, message, retryAfterMs);
  }
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(
    0,
    "FAILED",
    error instanceof Error ? error.message : String(error),
  );
}
