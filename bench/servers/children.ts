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
  /** Finds the port in a line; without it, a line that is a number is the port. */
  readonly port?: RegExp;
}

/** Resolves with the child once it has printed its port. */
export async function startChild(
  [command, ...args]: readonly [string, ...string[]],
  { cwd, port: pattern = /^(\d+)$/ }: ChildOptions = {},
): Promise<Child> {
  const where = cwd === undefined ? {} : { cwd };
  const child = spawn(command, args, { ...where, stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Uint8Array) => {
    errors = (errors + new TextDecoder().decode(chunk)).slice(-2000);
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), START_LIMIT_MS);
  try {
    const port = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const found = pattern.exec(line)?.[1];
        if (found !== undefined) resolve(found);
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
