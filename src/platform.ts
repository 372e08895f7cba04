/** What this process runs on. One of the few files that may name a runtime. */
import { readFileSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";

/**
 * Flags for running this program on Deno. V8 keeps 48 MiB for young objects, and a server's objects
 * live too short for that: with a quarter of it appends cost the same, and a node takes 25 MiB
 * less. To share a port is not stable in Deno yet.
 */
export const DENO_FLAGS: readonly string[] = [
  "--v8-flags=--max-semi-space-size=4",
  "--unstable-net",
];

/** `Deno 2.9.6`, `Bun 1.4.5`. */
export function runtimeName(): string {
  if (typeof Deno !== "undefined") return `Deno ${Deno.version.deno}`;
  return `Bun ${process.versions.bun}`;
}

/** How to run this program once more: a compiled one is its own runtime, sources need theirs. */
export function selfCommand(): { readonly command: string; readonly args: readonly string[] } {
  const command = EXECUTABLE;
  if (typeof Deno !== "undefined") {
    if (Deno.build.standalone) return { command, args: [] };
    return { command, args: ["run", "-A", ...DENO_FLAGS, Deno.mainModule] };
  }
  // Bun's compiled programs live in a file system of their own.
  const compiled = Bun.main.startsWith("/$bunfs/") || /^[A-Z]:[\\/]~BUN/i.test(Bun.main);
  return { command, args: compiled ? [] : ["run", Bun.main] };
}

/**
 * The file that this program was started from, as it was named then: a new version may have taken its
 * place since, or the place of the link that leads to it. What the runtime says resolves links, and
 * on Linux names the old file when it has been replaced.
 */
const EXECUTABLE = startedFrom();

function startedFrom(): string {
  const { execPath } = process;
  if (process.platform !== "linux") return execPath;
  try {
    const [name = ""] = readFileSync("/proc/self/cmdline", "utf8").split("\0");
    const path = resolve(name);
    return name.includes("/") && realpathSync(path) === realpathSync(execPath) ? path : execPath;
  } catch {
    return execPath;
  }
}

/** Whether several processes can listen on one port, and the system shares connections out. */
export function sharesPorts(): boolean {
  return process.platform === "linux";
}

/** Whether this process can listen on a port that others listen on. Those that it starts always can. */
export function canSharePort(): boolean {
  if (!sharesPorts()) return false;
  // Deno has unstable APIs where it is told to, and always in a binary of ours.
  return typeof Deno === "undefined" || typeof Deno.listenDatagram === "function";
}

/** Whether the `onread` buffer of a socket is what is received into: Bun copies into it. */
export function receivesInPlace(): boolean {
  return typeof Deno !== "undefined";
}
