/**
 * Servers that are up at the same time and take the same load in turn. What the machine does meanwhile
 * meets all of them, so rounds are compared one by one, with the server that was named first.
 */
import { cpuMicros } from "./servers/proc.ts";
import type { LoadResult, RequestLoad } from "./load/load_task.ts";
import { percentile } from "./report/statistics.ts";

export interface Contender {
  readonly name: string;
  readonly pid: number;
  readonly load: Omit<RequestLoad, "seconds">;
}

export interface Course {
  readonly rounds: number;
  /** Rounds before those, for the compilers. */
  readonly warmUps: number;
  readonly generate: (load: RequestLoad) => Promise<LoadResult>;
}

/** A number per round. */
interface Series {
  /** The server's CPU time per request, in microseconds. */
  readonly micros: number[];
  /** Requests a second. */
  readonly rates: number[];
}

const SLICE_SECONDS = 1;

export class SideBySide {
  readonly #series = new Map<string, Series>();

  /** Another run of servers with these names adds to the rounds so far. */
  async run(
    contenders: readonly Contender[],
    { rounds, warmUps, generate }: Course,
  ): Promise<void> {
    for (const { name } of contenders) {
      if (!this.#series.has(name)) this.#series.set(name, { micros: [], rates: [] });
    }
    for (let round = -warmUps; round < rounds; round++) {
      // The one that begins is another one each time.
      for (let turn = 0; turn < contenders.length; turn++) {
        const { name, pid, load } = contenders[(turn + round + warmUps) % contenders.length]!;
        const before = cpuMicros(pid)!;
        const { requests, seconds } = await generate({ ...load, seconds: SLICE_SECONDS });
        const micros = (cpuMicros(pid)! - before) / requests;
        if (round < 0) continue;
        const series = this.#series.get(name)!;
        series.micros.push(micros);
        series.rates.push(requests / seconds);
      }
    }
  }

  /** A line for each server: medians, the least, and what a round differs from the first server's. */
  table(): string {
    const [base] = this.#series.values();
    return [...this.#series].map(([name, { micros, rates }]) => {
      const more = micros.map((value, round) => value - base!.micros[round]!);
      const ratio = micros.map((value, round) => value / base!.micros[round]!);
      const rate = rates.map((value, round) => value / base!.rates[round]!);
      return `${name.padEnd(20)}${at(micros, 50).toFixed(2).padStart(7)} µs, least ` +
        `${at(micros, 0).toFixed(2)} (${(at(micros, 0) - at(base!.micros, 0)).toFixed(2)} more); ` +
        `${at(more, 50).toFixed(2)} µs more (half of the rounds ${at(more, 25).toFixed(2)} to ` +
        `${at(more, 75).toFixed(2)}), ${change(ratio)}; rate ${change(rate)}`;
    }).join("\n");
  }
}

function at(values: readonly number[], percent: number): number {
  return percentile(values.toSorted((a, b) => a - b), percent);
}

function change(ratios: readonly number[]): string {
  const more = (at(ratios, 50) - 1) * 100;
  return `${more < 0 ? "" : "+"}${more.toFixed(1)} %`;
}
