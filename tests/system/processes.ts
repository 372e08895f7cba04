/** Runs the command line to its end, for tests of commands that do end. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";

const MAIN = join(import.meta.dirname ?? ".", "../../main.ts");
const LIMIT_MS = 20_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `penstock …args`, without any of this process's own settings. Killed after 20 s. */
export async function penstock(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Ended> {
  const child = spawn(process.execPath, ["run", "-A", "--quiet", MAIN, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: "1", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].on("data", (chunk: Uint8Array) => {
      output[name] += new TextDecoder().decode(chunk);
    });
  }
  const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const [code] = await once(child, "close") as [number | null];
  clearTimeout(limit);
  return { code, ...output };
}
