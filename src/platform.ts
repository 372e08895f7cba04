/** What this process runs on. One of the few files that may name a runtime. */
import process from "node:process";

/** `Deno 2.9.6`, `Bun 1.4.5`. */
export function runtimeName(): string {
  if (typeof Deno !== "undefined") return `Deno ${Deno.version.deno}`;
  return `Bun ${process.versions.bun}`;
}
