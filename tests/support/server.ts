/**
 * Starts a real Penstock in a process of its own, on a free port, for tests from the outside.
 */
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { DENO_FLAGS } from "../../src/platform.ts";

const ROOT = join(import.meta.dirname ?? ".", "../..");
const START_LIMIT_MS = 60_000;
const BUN_VERSION = "1.4.5";

export type Runtime = "deno" | "bun" | "binary";

export interface ServerOptions {
  /** What runs it; Deno unless told. `binary` is dist/penstock as `deno task compile` left it. */
  runtime?: Runtime;
  database: { url: string } | { dataDir: string };
  /** Further arguments of `serve`; a `--port` here takes the place of a free one. */
  args?: readonly string[];
  env?: Record<string, string>;
  /** How many files and sockets it may have open. */
  openFiles?: number;
  /** The sources that Deno or Bun runs; this checkout unless told. */
  folder?: string;
  /** The program of the runtime `binary`, in place of dist/penstock. */
  binary?: string;
  /** A module that Deno runs first in the server's process. */
  preload?: string;
}

export interface RunningServer {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** Every line of standard output so far; each is one JSON object. */
  readonly logs: string[];
  /** Standard error so far. */
  stderr(): string;
  /** Resolves with the first log line, past or future, that the test accepts. */
  logged(accepts: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  /** SIGTERM, and waits: the exit code, or null if a signal ended it. */
  stop(): Promise<number | null>;
  /** SIGKILL, and waits. */
  kill(): Promise<void>;
}

/** Resolves once it listens; throws with its standard error when it does not. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { command, args } = await commandOf(options.runtime ?? "deno", options);
  const database = "url" in options.database
    ? ["--database-url", options.database.url]
    : ["--data-dir", options.database.dataDir];
  const port = options.args?.includes("--port") ? [] : ["--port", "0"];
  // The shell becomes the server: signals reach it, and its process id stays.
  const limited = options.openFiles === undefined
    ? [command]
    : ["sh", "-c", `ulimit -n ${options.openFiles} && exec "$0" "$@"`, command];
  const child = spawn(limited[0]!, [
    ...limited.slice(1),
    ...args,
    "serve",
    ...port,
    ...["--host", "127.0.0.1", "--log-format", "json"],
    ...database,
    ...options.args ?? [],
  ], {
    cwd: options.folder ?? ROOT,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });

  const logs: string[] = [];
  const watchers = new Set<(line: string) => void>();
  let errors = "";
  child.stderr.on("data", (chunk: Uint8Array) => {
    errors = (errors + new TextDecoder().decode(chunk)).slice(-16_000);
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    logs.push(line);
    for (const watcher of watchers) watcher(line);
  });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  exited.catch(() => {}); // a command that cannot be started: reported by `logged`

  const logged: RunningServer["logged"] = (accepts) =>
    new Promise((resolve, reject) => {
      const look = (line: string) => {
        const parsed = parseLine(line);
        if (parsed === undefined || !accepts(parsed)) return;
        watchers.delete(look);
        resolve(parsed);
      };
      const fail = (reason: unknown) => {
        watchers.delete(look);
        reject(new Error(`Penstock ended (${String(reason)})\n${logs.join("\n")}\n${errors}`));
      };
      watchers.add(look);
      logs.forEach(look);
      // "close" rather than "exit": by then the last of its output has been read.
      child.once("close", (code, signal) => fail(signal ?? code));
      child.once("error", fail);
    });

  const ended = () => child.exitCode !== null || child.signalCode !== null;
  // Not child.kill(): after it, Deno 2.9 reports the signal even of a process that then exits
  // with a code of its own.
  const send = async (signal: "SIGTERM" | "SIGKILL") => {
    if (!ended() && child.pid !== undefined) {
      process.kill(child.pid, signal);
      await exited;
    }
  };
  const limit = setTimeout(() => void send("SIGKILL"), START_LIMIT_MS);
  const listening = await logged((line) => line.event === "listening")
    .finally(() => clearTimeout(limit));
  return {
    url: String(listening.url).replace(/\/$/, ""),
    process: child,
    logs,
    stderr: () => errors,
    logged,
    async stop() {
      await send("SIGTERM");
      return child.exitCode;
    },
    kill: () => send("SIGKILL"),
  };
}

function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

export async function commandOf(
  runtime: Runtime,
  { preload, binary }: Pick<ServerOptions, "preload" | "binary">,
): Promise<{ command: string; args: string[] }> {
  switch (runtime) {
    case "deno": {
      const before = preload === undefined ? [] : ["--preload", preload];
      return {
        command: process.execPath,
        args: ["run", "-A", ...DENO_FLAGS, ...before, "main.ts"],
      };
    }
    case "bun":
      return { command: await bunExecutable(), args: ["run", "main.ts"] };
    case "binary": {
      const suffix = process.platform === "win32" ? ".exe" : "";
      return { command: binary ?? join(ROOT, `dist/penstock${suffix}`), args: [] };
    }
  }
}

let bun: Promise<string> | undefined;

/**
 * The Bun of PENSTOCK_TEST_BUN, which `deno task test` sets, else the one on the PATH, else the one
 * npm has; its own path, so that signals reach it.
 */
export function bunExecutable(): Promise<string> {
  bun ??= (async () => {
    const given = process.env.PENSTOCK_TEST_BUN;
    if (given !== undefined && given !== "") return given;
    const run = promisify(execFile);
    const fromPath = await run("bun", ["-e", "console.log(process.execPath)"]).catch(() => null);
    if (fromPath !== null) return fromPath.stdout.trim();
    const print = `bun -e "console.log(process.execPath)"`;
    const { stdout } = await run("npx", ["-y", "-p", `bun@${BUN_VERSION}`, "-c", print]);
    return stdout.trim();
  })();
  return bun;
}
