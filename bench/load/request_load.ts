/**
 * Closed-loop HTTP load: so many connections, one request under way on each, for so many seconds.
 * wrk makes it where it is installed (a tenth of a core where ours takes half of one), else
 * generator_process.ts; one of the two for a whole run, so that figures of a run compare.
 */
import { wrkAvailable, wrkLoad } from "./wrk.ts";
import { runScript } from "./scripts.ts";

export interface RequestLoad {
  /** `http://host:port`. */
  readonly url: string;
  readonly method: "GET" | "POST" | "PUT";
  /** `{n}` in it is replaced by a number that goes around `paths`, or never repeats without. */
  readonly path: string;
  readonly paths?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bodyBytes?: number;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Answers that were neither 2xx nor 3xx, and connections that broke. */
  readonly errors: number;
  /** Appends of producers that overtook an earlier one, and were sent again; absent for others. */
  readonly retries?: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
  /** Absent for wrk, whose whole life is measured from outside. */
  readonly cpuMicros?: number;
}

let tool: Promise<"wrk" | "own"> | undefined;

/** Which generator this run uses. */
export function loadTool(): Promise<"wrk" | "own"> {
  tool ??= wrkAvailable().then((found) => found ? "wrk" : "own");
  return tool;
}

/** Throws when every request failed, or more than one in a hundred. */
export async function load(request: RequestLoad): Promise<LoadResult> {
  const result = await loadTool() === "wrk"
    ? await wrkLoad(request)
    : await runScript<LoadResult>("generator_process.ts", request);
  if (result.requests === 0) throw new Error(`${request.method} ${request.path}: no answers`);
  if (result.errors > result.requests / 100) {
    throw new Error(`${result.errors} of ${result.requests} ${request.method} requests failed`);
  }
  return result;
}

/** Always our own, whose single latencies are raw: wrk's are corrected for what it had to omit. */
export async function ownLoad(request: RequestLoad & OwnOptions): Promise<LoadResult> {
  const result = await runScript<LoadResult>("generator_process.ts", request);
  if (result.requests === 0 || result.errors > result.requests / 100) {
    throw new Error(`${result.errors} of ${result.requests} ${request.method} requests failed`);
  }
  return result;
}

export interface OwnOptions {
  /**
   * Idempotent producers, their names beginning so: so many connections belong to each, so that it
   * has as many requests on the way. Not pipelined in HTTP's sense: Bun cuts such a connection.
   */
  readonly producers?: { readonly name: string; readonly connectionsEach: number };
}
