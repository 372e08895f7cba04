/** The metrics of the process and of its runtime. */
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import type { Readings } from "./sources.ts";

export interface BuildFigures {
  readonly version: string;
  /** `Deno 2.9.6`. */
  readonly runtime: string;
  readonly database: "postgres" | "embedded";
}

/** When the process began, seconds since 1970. */
export const STARTED_AT = Date.now() / 1000 - performance.now() / 1000;

export class ProcessFigures {
  #openFiles: number | null = null;
  #maxFiles: number | null = null;

  /** Where the system has /proc, counts the open files. */
  async refresh(): Promise<void> {
    this.#openFiles = await readdir("/proc/self/fd").then((names) => names.length, () => null);
    this.#maxFiles ??= await readFile("/proc/self/limits", "utf8").then(maxFilesOf, () => null);
  }

  addTo(readings: Readings, build: BuildFigures): void {
    readings.gauge(
      { name: "build_info", help: "1, with the version, the runtime and the database's kind." },
      () => [{ labels: { ...build }, value: 1 }],
    );
    readings.gauge(
      { name: "start_time_seconds", help: "When the process began, as seconds since 1970." },
      () => STARTED_AT,
    );
    readings.counter(
      { name: "cpu_seconds_total", help: "User and system time that the process has used." },
      () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      },
    );
    readings.gauge(
      { name: "process_memory_bytes", help: "The process's memory as its runtime counts it." },
      () => {
        const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
        const kinds = { rss, heapUsed, heapTotal, external, arrayBuffers };
        return Object.entries(kinds).map(([kind, value]) => ({ labels: { kind }, value }));
      },
    );
    readings.gauge(
      { name: "open_files", help: "Open files and sockets, where the system tells." },
      () => this.#openFiles,
    );
    readings.gauge(
      { name: "open_files_limit", help: "How many files and sockets may be open." },
      () => this.#maxFiles,
    );
  }
}

function maxFilesOf(limits: string): number | null {
  const match = /^Max open files\s+(\d+)/m.exec(limits);
  return match === null ? null : Number(match[1]);
}
