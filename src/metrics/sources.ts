/** Metrics of prom-client whose values are read when they are asked for. */
import { Counter, Gauge, type Metric, type Registry } from "prom-client";
import type { Distribution } from "../lib/telemetry/distribution.ts";

export interface Described {
  /** Without the prefix that all of Penstock's metrics have. */
  readonly name: string;
  /** One whole sentence. */
  readonly help: string;
}

export type Labels = Readonly<Record<string, string | number>>;

/** A value and its labels; one metric may have several. */
export interface Reading {
  readonly labels: Labels;
  readonly value: number;
}

const PREFIX = "penstock_";

/** Metrics that a registry asks for their values. */
export class Readings {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** A value that only grows while the process lives. */
  counter({ name, help }: Described, read: () => number | Iterable<Reading>): void {
    const labelled = (counter: Counter, { labels, value }: Reading) => counter.inc(labels, value);
    new Counter({
      ...this.#described(name, help),
      collect() {
        this.reset();
        for (const reading of readingsOf(read())) labelled(this, reading);
      },
    });
  }

  /** A value as it is now; null where there is none. */
  gauge({ name, help }: Described, read: () => number | null | Iterable<Reading>): void {
    new Gauge({
      ...this.#described(name, help),
      collect() {
        this.reset();
        const value = read();
        if (value === null) return;
        for (const reading of readingsOf(value)) this.set(reading.labels, reading.value);
      },
    });
  }

  /** @param scale what an observed value is multiplied by: 1/1000 makes seconds of milliseconds */
  histogram({ name, help }: Described, distribution: Distribution, scale = 1): void {
    const metric = new DistributionMetric({ name: PREFIX + name, help }, distribution, scale);
    this.#registry.registerMetric(metric as unknown as Metric<string>);
  }

  #described(name: string, help: string) {
    const described = { name: PREFIX + name, help, registers: [this.#registry] };
    // Labels are checked against a list of names, and every name that any metric has is in this one.
    return { ...described, labelNames: LABELS };
  }
}

const LABELS = [
  ...["route", "mode", "status", "kind", "by", "queue", "part", "cache", "result", "outcome"],
  ...["phase", "event", "level", "version", "runtime", "database"],
];

function readingsOf(value: number | Iterable<Reading>): Iterable<Reading> {
  return typeof value === "number" ? [{ labels: {}, value }] : value;
}

/** Stands in for a Histogram of prom-client: its buckets are counted without an object each time. */
class DistributionMetric {
  readonly type = "histogram";
  readonly aggregator = "sum";
  readonly name: string;
  readonly help: string;
  readonly #distribution: Distribution;
  readonly #scale: number;

  constructor({ name, help }: Described, distribution: Distribution, scale: number) {
    this.name = name;
    this.help = help;
    this.#distribution = distribution;
    this.#scale = scale;
  }

  /** What a registry asks a metric for. */
  get() {
    const { name, help, type, aggregator } = this;
    const { bounds, counts, sum } = this.#distribution;
    let count = 0;
    const values = [];
    for (const [bucket, bound] of [...bounds, Infinity].entries()) {
      count += counts[bucket]!;
      // 0.25 * 0.001 is 0.00025, but 2500 * 0.001 may be a longer number than 2.5.
      const le = bound === Infinity ? "+Inf" : Number((bound * this.#scale).toPrecision(6));
      values.push({ metricName: `${name}_bucket`, labels: { le }, value: count });
    }
    values.push({ metricName: `${name}_sum`, labels: {}, value: sum * this.#scale });
    values.push({ metricName: `${name}_count`, labels: {}, value: count });
    return Promise.resolve({ name, help, type, aggregator, values });
  }
}
