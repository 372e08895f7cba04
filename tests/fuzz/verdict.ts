/** What every answer owes, whatever was asked. */
import type { Answer } from "./answer.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

const KNOWN = new Set([
  ...[200, 201, 204, 304],
  ...[400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 421],
]);

export interface Expectation {
  readonly method: string;
  /** The request is HTTP beyond doubt: the answer is Penstock's own, not the runtime's. */
  readonly ours: boolean;
  /** Overload is what is tested: 503 with Retry-After is an answer too. */
  readonly mayBeOverloaded?: boolean;
}

/** What is wrong with an answer, or undefined. */
export function faultOf(answer: Answer, expected: Expectation): string | undefined {
  const { status, headers } = answer;
  if (status === 505 && !expected.ours) return undefined; // of a runtime, to another HTTP
  if (status >= 500) {
    const told = status === 503 && headers.has("retry-after") && expected.mayBeOverloaded === true;
    return told ? errorFault(answer, expected.method) : `status ${status}: ${textOf(answer)}`;
  }
  const ours = headers.get("x-content-type-options") === "nosniff";
  if (!ours) {
    if (expected.ours) return `status ${status} without Penstock's headers: ${textOf(answer)}`;
    // The runtime refused what is no HTTP, before any code of Penstock's.
    return status >= 400 ? undefined : `status ${status} that is not Penstock's`;
  }
  if (!KNOWN.has(status)) return `status ${status}`;
  if (!headers.get("vary")?.includes("Origin")) return "no Vary: Origin";
  if (status >= 400) return errorFault(answer, expected.method);
  const offset = headers.get("stream-next-offset");
  if (offset !== undefined && !/^\d{16}_\d{16}$/.test(offset)) return `next offset ${offset}`;
  return undefined;
}

function errorFault(answer: Answer, method: string): string | undefined {
  const { headers, status } = answer;
  if (headers.get("content-type") !== "application/json") {
    return `status ${status} of type ${headers.get("content-type")}`;
  }
  if (method === "HEAD") return undefined;
  try {
    const { error } = JSON.parse(utf8.decode(answer.body)) as {
      error: { code: unknown; message: unknown };
    };
    const complete = typeof error.code === "string" && error.code !== "" &&
      typeof error.message === "string" && error.message !== "";
    return complete ? undefined : `error body ${textOf(answer)}`;
  } catch {
    return `status ${status} with the body ${JSON.stringify(textOf(answer))}`;
  }
}

function textOf(answer: Answer): string {
  return new TextDecoder("latin1").decode(answer.body.subarray(0, 300));
}
