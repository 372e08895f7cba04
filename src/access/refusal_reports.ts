/** Reports of requests that access control refused: at most one a second of each reason. */
import { ReportThrottle } from "../lib/report_throttle.ts";
import type { Telemetry, TelemetryEvent } from "../telemetry/events.ts";

const LONGEST_PATH = 200;

type Refused = Omit<Extract<TelemetryEvent, { event: "access_refused" }>, "event" | "suppressed">;

export class RefusalReports {
  readonly #telemetry: Telemetry;
  readonly #throttle = new ReportThrottle();

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
  }

  refused(refused: Refused): void {
    const suppressed = this.#throttle.admit(refused.reason);
    if (suppressed === null) return;
    const path = refused.path.slice(0, LONGEST_PATH);
    this.#telemetry.report({ event: "access_refused", ...refused, path, suppressed });
  }
}
