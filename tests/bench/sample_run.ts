/** A run with a bit of everything, for the tests of what is made of one. */
import type { Figure, Run } from "../../bench/report/figures.ts";
import { type Sample, THROUGHPUT } from "../../bench/scenarios/scenario.ts";

export function samples(...rates: number[]): Sample[] {
  return rates.map((rate) => ({
    values: { rate, p50: 2, p99: 9.5 },
    cpu: { serverMicros: 1e6 / rate, loadCores: 0.25, otherCores: 0.05 },
  }));
}

export function sampleRun(figures: readonly Figure[] = SAMPLE_FIGURES): Run {
  return {
    begun: "2026-01-02T03:04:05.000Z",
    seconds: 61,
    rounds: 3,
    effort: { quick: false, large: false, seconds: 3, heldSeconds: 600 },
    generator: "wrk",
    machine: {
      ...{ cpu: "A <fast> CPU", cores: 2, memoryGiB: 8, system: "linux 6.1" },
      ...{ deno: "2.9.6", bun: "1.4.5", postgres: "18.4" },
    },
    figures,
  };
}

const append = { scenario: "append-64", title: "append & more", metrics: THROUGHPUT };

export const SAMPLE_FIGURES: readonly Figure[] = [
  { ...append, subject: "empty-deno", samples: samples(50_000, 40_000, 60_000) },
  { ...append, subject: "deno+postgres", samples: samples(26_000, 25_000, 31_000) },
  { ...append, subject: "official-file", samples: [], error: "no <network>" },
  { ...append, subject: "official-memory", samples: samples(10_000), error: "ended early" },
  ...[100, 1000].map((at): Figure => ({
    scenario: `append-${at}-streams`,
    title: `append, ${at} streams`,
    subject: "deno+postgres",
    metrics: THROUGHPUT,
    samples: samples(20_000 - at),
    growth: { curve: "append over many streams", axis: "streams", at },
  })),
];
