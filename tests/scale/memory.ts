/** The resident memory of a process over time. */
import { residentBytes } from "../../bench/servers/proc.ts";

const EVERY_MS = 100;

export interface MemoryReport {
  /** When it began, and the most and the last that was seen. MiB. */
  readonly first: number;
  readonly most: number;
  readonly last: number;
  /** The most of each tenth of the time: a leak grows, what is flat does not. MiB. */
  readonly tenths: readonly number[];
}

/** Watches a process until `end`, or until it has ended. */
export class MemoryWatch {
  readonly #pid: number;
  readonly #samples: number[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(pid: number) {
    this.#pid = pid;
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), EVERY_MS);
  }

  end(): MemoryReport {
    this.#sample();
    clearInterval(this.#timer);
    const samples = this.#samples.length > 0 ? this.#samples : [0];
    const tenths = Array.from({ length: 10 }, (_, at) => {
      const from = Math.floor(samples.length * at / 10);
      const to = Math.max(from + 1, Math.floor(samples.length * (at + 1) / 10));
      return Math.max(...samples.slice(from, to));
    });
    return { first: samples[0]!, most: Math.max(...tenths), last: samples.at(-1)!, tenths };
  }

  #sample(): void {
    const bytes = residentBytes(this.#pid);
    // Without a figure the process has ended.
    if (bytes !== undefined) this.#samples.push(Math.round(bytes / 2 ** 20));
  }
}

export function memoryText({ first, most, last, tenths }: MemoryReport): string {
  return `memory ${first} MiB, most ${most}, last ${last} (by tenths ${tenths.join(" ")})`;
}
