/** What a process holds: resident memory and open files, as Linux's /proc tells. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { pause } from "../system/support.ts";

export interface Resources {
  /** MiB. */
  readonly memory: number;
  readonly files: number;
}

export const HAS_PROC = existsSync("/proc/self/status");

export function resourcesOf(pid: number): Resources {
  return { memory: memoryOf(pid), files: readdirSync(`/proc/${pid}/fd`).length };
}

/** Resident memory, MiB. */
export function memoryOf(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (match === null) throw new Error(`no VmRSS of process ${pid}`);
  return Math.round(Number(match[1]) / 1024);
}

/**
 * What an idle process holds: the least seen until it has not fallen for a while, for connections
 * take a moment to be gone, and memory to be given back.
 */
export async function settledResources(pid: number, ms = 10_000): Promise<Resources> {
  let least = resourcesOf(pid);
  let fallen = Date.now();
  for (const deadline = Date.now() + ms; Date.now() < deadline && Date.now() < fallen + 2000;) {
    await pause(100);
    const now = resourcesOf(pid);
    if (now.memory < least.memory || now.files < least.files) fallen = Date.now();
    least = {
      memory: Math.min(least.memory, now.memory),
      files: Math.min(least.files, now.files),
    };
  }
  return least;
}
