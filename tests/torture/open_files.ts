/** The limit on the open files of a process that runs, changed by prlimit of util-linux. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";

export function canLimitOpenFiles(): boolean {
  return process.platform === "linux" && spawnSync("prlimit", ["--version"]).status === 0;
}

/** Sets the soft limit, so that it can be taken back, and returns what it was. */
export function limitOpenFiles(pid: number, limit: number): number {
  const before = /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1];
  const { status } = spawnSync("prlimit", ["--pid", String(pid), `--nofile=${limit}:`]);
  if (before === undefined || status !== 0) throw new Error(`prlimit ended with ${status}`);
  return Number(before);
}
