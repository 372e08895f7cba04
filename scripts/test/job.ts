/** One thing that `deno task test` runs in a process of its own: a test file, a check, a suite. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";

export const ROOT = join(import.meta.dirname ?? ".", "../..");

/** A process that takes longer hangs. A busy machine makes the longest file take four minutes. */
const LIMIT_MS = 600_000;
/** What an interrupted process has to end its children by. */
const GRACE_MS = 5000;

/**
 * What may run at the same time: `any` runs beside others, `quiet` measures delays and runs beside
 * a second one that does, `alone` measures memory or needs every core.
 */
export const COMPANIES = ["any", "quiet", "alone"] as const;
export type Company = typeof COMPANIES[number];

export interface Job {
  /** Unique among the jobs of a run; of a test file its path. */
  readonly name: string;
  readonly company: Company;
  /** The name of the job that has to pass first. */
  readonly after?: string;
  run(): Promise<Outcome>;
}

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What it printed, standard output and error as they came. */
  readonly output: string;
}

export interface Ended {
  readonly succeeded: boolean;
  readonly output: string;
}

const running = new Set<ChildProcess>();
let interrupted = false;

/** Runs Deno with these arguments, in a process group of its own, and keeps what it prints. */
export async function runDeno(args: readonly string[]): Promise<Ended> {
  if (interrupted) return new Promise(() => {}); // this process ends soon, and starts nothing more
  const child = spawn(process.execPath, [...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // so that a signal reaches the servers that a test has started, too
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    const decoder = new TextDecoder();
    stream.on("data", (chunk: Uint8Array) => output += decoder.decode(chunk, { stream: true }));
  }
  const limit = setTimeout(() => {
    output += `\nThe process did not end within ${LIMIT_MS / 1000} s and was interrupted.\n`;
    void interrupt(child);
  }, LIMIT_MS);
  // "exit" rather than "close": a process that a test has left behind keeps the pipes open.
  const [code] = await once(child, "exit") as [number | null];
  clearTimeout(limit);
  running.delete(child);
  await drained(child);
  return { succeeded: code === 0, output };
}

/** Resolves once the pipes have ended, or after a moment if another process holds them open. */
async function drained(child: ChildProcess): Promise<void> {
  const ended = Promise.all(
    [child.stdout, child.stderr].map((stream) =>
      stream === null || stream.readableEnded ? undefined : once(stream, "end")
    ),
  );
  let timer: ReturnType<typeof setTimeout> | undefined;
  const moment = new Promise<void>((resolve) => timer = setTimeout(resolve, 1000));
  await Promise.race([ended, moment]);
  clearTimeout(timer);
  for (const stream of [child.stdout, child.stderr]) stream?.destroy();
}

async function interrupt(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  signalGroup(child.pid, "SIGINT");
  const kill = setTimeout(() => signalGroup(child.pid!, "SIGKILL"), GRACE_MS);
  await exited;
  clearTimeout(kill);
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended.
  }
}

/** Ends whatever runs now, for a caller that must end early. */
export async function interruptAll(): Promise<void> {
  interrupted = true;
  await Promise.all([...running].map(interrupt));
}

/** A job that passes if Deno succeeds, and counts as one test. */
export function denoJob(name: string, args: readonly string[]): Job {
  return {
    name,
    company: "any",
    async run() {
      const { succeeded, output } = await runDeno(args);
      const passed = succeeded ? 1 : 0;
      return { passed, failed: 1 - passed, skipped: 0, output };
    },
  };
}
