/** What a process holds: resident memory, sockets and open files, as Linux's /proc tells. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { elapse } from "../support/waits.ts";

export interface Resources {
  /** MiB. */
  readonly memory: number;
  readonly sockets: number;
  /** All else; the embedded database has its own among them, and opens more as it grows. */
  readonly files: number;
}

export const HAS_PROC = existsSync("/proc/self/status");

export function resourcesOf(pid: number): Resources {
  const opened = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ""; // closed meanwhile
    }
  }).filter((target) => target !== "");
  const sockets = opened.filter((target) => target.startsWith("socket:")).length;
  return { memory: memoryOf(pid), sockets, files: opened.length - sockets };
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
    await elapse(100, "between two samples");
    const now = resourcesOf(pid);
    if (now.memory < least.memory || now.sockets < least.sockets) fallen = Date.now();
    least = {
      memory: Math.min(least.memory, now.memory),
      sockets: Math.min(least.sockets, now.sockets),
      files: Math.min(least.files, now.files),
    };
  }
  return least;
}
