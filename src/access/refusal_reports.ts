/** Reports of requests that access control refused: at most one a second of each reason. */
import type { Telemetry, TelemetryEvent } from "../telemetry/events.ts";

const QUIET_MS = 1000;
const LONGEST_PATH = 200;

type Refused = Omit<Extract<TelemetryEvent, { event: "access_refused" }>, "event" | "suppressed">;

export class RefusalReports {
  readonly #telemetry: Telemetry;
  readonly #quiet = new Map<string, { until: number; suppressed: number }>();

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  refused(refused: Refused): void {
    const quiet = this.#quiet.get(refused.reason) ?? { until: 0, suppressed: 0 };
    if (performance.now() < quiet.until) {
      quiet.suppressed++;
      return;
    }
    this.#telemetry.report({
      event: "access_refused",
      ...refused,
      path: refused.path.slice(0, LONGEST_PATH),
      suppressed: quiet.suppressed,
    });
    this.#quiet.set(refused.reason, { until: performance.now() + QUIET_MS, suppressed: 0 });
  }
}
