/**
 * CPU time and memory of other processes, from Linux's /proc. Everywhere else every answer is
 * `undefined`, and the table has a dash there.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** Jiffies are a hundredth of a second on every Linux that runs these runtimes. */
const MICROS_A_TICK = 10_000;

interface ProcessTimes {
  readonly parent: number;
  readonly own: number;
  readonly reapedChildren: number;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** The fields after the command's name, which is in brackets and may hold anything. */
export function parseStat(stat: string): ProcessTimes {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  const at = (index: number) => fields[index] ?? 0;
  return {
    parent: at(1),
    own: (at(11) + at(12)) * MICROS_A_TICK,
    reapedChildren: (at(13) + at(14)) * MICROS_A_TICK,
  };
}

/** User and system microseconds since the process started. */
export function cpuMicros(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseStat(stat).own;
}

/** The same of a process, its living children and those that ended: a PostgreSQL and its backends. */
export function treeCpuMicros(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const { own, reapedChildren } = parseStat(stat);
  let sum = own + reapedChildren;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const child = read(`/proc/${name}/stat`);
    const times = child === undefined ? undefined : parseStat(child);
    if (times?.parent === pid) sum += times.own;
  }
  return sum;
}

export function parentOf(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseStat(stat).parent;
}

/** Of children of `pid` that have ended: what a load generator that is waited for has cost. */
export function reapedMicros(pid: number): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : parseStat(stat).reapedChildren;
}

/** All the machine has done, idle time left out; stolen time is in it, for it slows us as work does. */
export function machineMicros(): number | undefined {
  const line = read("/proc/stat")?.split("\n", 1)[0];
  if (line === undefined) return undefined;
  const [user, nice, system, , , irq, softirq, steal] = line.trim().split(/\s+/).slice(1)
    .map(Number);
  const busy = [user, nice, system, irq, softirq, steal];
  return busy.reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) * MICROS_A_TICK;
}

export function residentBytes(pid: number): number | undefined {
  return statusBytes(pid, "VmRSS");
}

/**
 * Memory of a process and its living children, pages that they share counted once: what a
 * PostgreSQL and its backends take.
 */
export function treeProportionalBytes(pid: number): number | undefined {
  const own = proportionalBytes(pid);
  if (own === undefined) return undefined;
  const children = readdirSync("/proc").map(Number)
    .filter((child) => child > 0 && parentOf(child) === pid);
  return children.reduce((sum, child) => sum + (proportionalBytes(child) ?? 0), own);
}

function proportionalBytes(pid: number): number | undefined {
  const found = read(`/proc/${pid}/smaps_rollup`)?.match(/^Pss:\s+(\d+) kB/m);
  return found?.[1] === undefined ? undefined : Number(found[1]) * 1024;
}

/** The most that was resident since `resetPeak`. */
export function peakResidentBytes(pid: number): number | undefined {
  return statusBytes(pid, "VmHWM");
}

export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // Not ours or not Linux: the peak is then the process's whole life's, or nothing.
  }
}

function statusBytes(pid: number, field: string): number | undefined {
  const found = read(`/proc/${pid}/status`)?.match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"));
  return found?.[1] === undefined ? undefined : Number(found[1]) * 1024;
}
