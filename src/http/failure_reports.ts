/** Reports of requests that failed: what fails one fails others like it, and one line a second says so. */
import { Overloaded } from "../errors.ts";
import { ReportThrottle } from "../lib/report_throttle.ts";
import { measurements } from "../lib/telemetry/measurements.ts";
import type { Telemetry } from "../telemetry/events.ts";

/** The refusals that are events too: an operator can do something about them. */
const REPORTED = ["database_unavailable", "database_exhausted", "overloaded"] as const;

type Reported = typeof REPORTED[number];

export function isReported(kind: string): kind is Reported {
  return REPORTED.some((reported) => reported === kind);
}

export class FailureReports {
  readonly #telemetry: Telemetry;
  readonly #throttle = new ReportThrottle();

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  /** At most one event of each kind a second, with the number of those left out since. */
  serverRefused(event: Reported, error: unknown): void {
    if (event === "overloaded") {
      measurements.turnAway(error instanceof Overloaded ? error.by : "other");
    }
    const suppressed = this.#throttle.admit(event);
    if (suppressed !== null) this.#telemetry.report({ event, error, suppressed });
  }

  requestFailed(method: string, path: string, error: unknown): void {
    this.#telemetry.report({ event: "request_failed", method, path, error });
  }
}
