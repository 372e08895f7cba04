/**
 * Closed-loop HTTP load: so many connections, one request under way on each, for so many seconds.
 * wrk makes it where it is installed (a tenth of a core where ours takes half of one), else
 * generator_process.ts; one of the two for a whole run, so that figures of a run compare.
 */
import type { LoadResult, OwnOptions, RequestLoad } from "./load_task.ts";
import { runScript } from "./scripts.ts";
import { wrkAvailable, wrkLoad } from "./wrk.ts";

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
