/** What this process runs on. One of the few files that may name a runtime. */
import process from "node:process";

/**
 * Flags for running this program on Deno. V8 keeps 48 MiB for young objects, and a server's objects
 * live too short for that: with a quarter of it appends cost the same, and a node takes 25 MiB
 * less.
 */
export const DENO_FLAGS: readonly string[] = ["--v8-flags=--max-semi-space-size=4"];

/** `Deno 2.9.6`, `Bun 1.4.5`. */
export function runtimeName(): string {
  if (typeof Deno !== "undefined") return `Deno ${Deno.version.deno}`;
  return `Bun ${process.versions.bun}`;
}

/** How to run this program once more: a compiled one is its own runtime, sources need theirs. */
export function selfCommand(): { readonly command: string; readonly args: readonly string[] } {
  const command = process.execPath;
  if (typeof Deno !== "undefined") {
    if (Deno.build.standalone) return { command, args: [] };
    // To share a port is not stable in Deno yet; compiled ones have this built in.
    return { command, args: ["run", "-A", ...DENO_FLAGS, "--unstable-net", Deno.mainModule] };
  }
  // Bun's compiled programs live in a file system of their own.
  const compiled = Bun.main.startsWith("/$bunfs/") || /^[A-Z]:[\\/]~BUN/i.test(Bun.main);
  return { command, args: compiled ? [] : ["run", Bun.main] };
}

/** Whether several processes can listen on one port, and the system shares connections out. */
export function sharesPorts(): boolean {
  return process.platform === "linux";
}

/** Whether the `onread` buffer of a socket is what is received into: Bun copies into it. */
export function receivesInPlace(): boolean {
  return typeof Deno !== "undefined";
}
