/** Child processes that say their port on a line of standard output, and how they are ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";

const START_LIMIT_MS = 30_000;

export interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly url: string;
}

export interface ChildOptions {
  readonly cwd?: string;
}

/** Resolves with the child once it has printed a line that is a number: its port. */
export async function startChild(
  [command, ...args]: readonly [string, ...string[]],
  options: ChildOptions = {},
): Promise<Child> {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Uint8Array) => {
    errors = (errors + new TextDecoder().decode(chunk)).slice(-2000);
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), START_LIMIT_MS);
  try {
    const port = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        if (/^\d+$/.test(line)) resolve(line);
      });
      child.once("error", reject);
      child.once("close", () => reject(new Error(`${command} ended: ${errors.trim()}`)));
    });
    return { process: child, pid: child.pid ?? 0, url: `http://127.0.0.1:${port}` };
  } finally {
    clearTimeout(limit);
  }
}

/** SIGKILL, which ends a stopped process too, and waits. */
export async function killChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, "exit");
  signal(child.pid, "SIGKILL");
  await exited;
}

/** For a process that may have ended by itself. */
export function signal(pid: number, name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
