/** wrk, driven by a Lua script we write for each run, which prints one line of JSON at the end. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { LoadResult, RequestLoad } from "./load_task.ts";

const run = promisify(execFile);

export async function wrkAvailable(): Promise<boolean> {
  // Without arguments it prints its usage and fails; only "not found" means there is none.
  return await run("wrk", []).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
}

export async function wrkLoad(load: RequestLoad): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-wrk-"));
  const script = join(folder, "load.lua");
  try {
    writeFileSync(script, luaScript(load));
    // One thread: it does 200k requests a second, and two would fight over the second core.
    const connections = ["-t1", `-c${load.connections}`];
    const duration = [`-d${Math.max(1, Math.round(load.seconds))}s`, "--timeout", "10s"];
    const { stdout } = await run("wrk", [...connections, ...duration, "-s", script, load.url]);
    return parseWrk(stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Exported for tests. */
export function parseWrk(output: string): LoadResult {
  const line = output.split("\n").find((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`wrk printed no result: ${output.slice(-300)}`);
  return JSON.parse(line) as LoadResult;
}

const numbered = `
local made, limit, cache = 0, LIMIT, {}
if limit > 0 then
  for i = 0, limit - 1 do cache[i] = false end
end
request = function()
  local n = made
  made = made + 1
  if limit == 0 then
    return wrk.format(nil, (PATH:gsub("{n}", tostring(n))))
  end
  n = n % limit
  if not cache[n] then cache[n] = wrk.format(nil, (PATH:gsub("{n}", tostring(n)))) end
  return cache[n]
end
`;

const summary = `
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"errors":%d,"p50Millis":%f,"p99Millis":%f}\\n',
    summary.requests, summary.duration / 1e6,
    errors.status + errors.read + errors.write + errors.connect + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
`;

/** Exported for tests. */
export function luaScript(load: RequestLoad): string {
  // JSON strings of printable ASCII are Lua strings.
  const text = JSON.stringify;
  const lines = [`wrk.method = ${text(load.method)}`];
  for (const [name, value] of Object.entries(load.headers ?? {})) {
    lines.push(`wrk.headers[${text(name)}] = ${text(value)}`);
  }
  if (load.bodyBytes !== undefined) lines.push(`wrk.body = string.rep("x", ${load.bodyBytes})`);
  if (load.path.includes("{n}")) {
    lines.push(
      numbered.replace("LIMIT", String(load.paths ?? 0)).replaceAll("PATH", "path")
        .replace("local made", `local path = ${text(load.path)}\nlocal made`),
    );
  } else {
    lines.push(`wrk.path = ${text(load.path)}`);
  }
  return lines.join("\n") + summary;
}
