/** Reports of requests that failed: what fails one fails others like it, and one line a second says so. */
import { Overloaded } from "../errors.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
import type { Telemetry } from "../telemetry/events.ts";

/** Milliseconds between two events that say the same of many requests. */
const QUIET_MS = 1000;

/** The refusals that are events too: an operator can do something about them. */
const REPORTED = ["database_unavailable", "database_exhausted", "overloaded"] as const;

type Reported = typeof REPORTED[number];

export function isReported(kind: string): kind is Reported {
  return REPORTED.some((reported) => reported === kind);
}

export class FailureReports {
  readonly #telemetry: Telemetry;
  readonly #quiet = new Map<string, { until: number; suppressed: number }>();

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  /** At most one event of each kind a second, with the number of those left out since. */
  serverRefused(event: Reported, error: unknown): void {
    if (event === "overloaded") {
      measurements.turnAway(error instanceof Overloaded ? error.by : "other");
    }
    const quiet = this.#quiet.get(event) ?? { until: 0, suppressed: 0 };
    if (performance.now() < quiet.until) {
      quiet.suppressed++;
      return;
    }
    this.#telemetry.report({ event, error, suppressed: quiet.suppressed });
    this.#quiet.set(event, { until: performance.now() + QUIET_MS, suppressed: 0 });
  }

  requestFailed(method: string, path: string, error: unknown): void {
    this.#telemetry.report({ event: "request_failed", method, path, error });
  }
}
