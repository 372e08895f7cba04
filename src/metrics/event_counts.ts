/** The metrics that interpret reported events: sweeps, subscriptions, and how often each happened. */
import { Distribution, LATENCY_MS } from "../lib/telemetry/distribution.ts";
import { levelOf } from "../telemetry/describe.ts";
import type { TelemetryEvent } from "../telemetry/events.ts";
import type { Readings } from "./sources.ts";

/** Counts events by their names, which are a closed union; nothing else of them becomes a label. */
export class EventCounts {
  readonly #events = new Map<string, { readonly level: string; count: number }>();
  readonly #webhooks = new Distribution(LATENCY_MS);
  #expired = 0;
  #reaped = 0;
  #wakeups: string | null = null;

  report(event: TelemetryEvent): void {
    // Counted by route and status, whether they are logged or not.
    if (event.event === "request") return;
    const level = levelOf(event);
    const counted = this.#events.get(`${level} ${event.event}`);
    if (counted === undefined) this.#events.set(`${level} ${event.event}`, { level, count: 1 });
    else counted.count++;
    if (event.event === "swept") {
      this.#expired += event.expired;
      this.#reaped += event.reaped;
    } else if (event.event === "wake_delivered") {
      this.#webhooks.observe(event.ms);
    } else if (event.event === "wakeups") {
      this.#wakeups = event.mode;
    }
  }

  addTo(readings: Readings): void {
    for (const [name, { event, help }] of Object.entries(COUNTERS)) {
      readings.counter({ name, help }, () => this.#count(event));
    }
    readings.counter({
      name: "events_total",
      help: "What was reported, by event and level: what the log says at level debug.",
    }, () =>
      [...this.#events].map(([key, { level, count }]) => ({
        labels: { event: key.slice(level.length + 1), level },
        value: count,
      })));
    readings.counter({
      name: "swept_streams_total",
      help: "Streams that the sweep terminated (expired) or removed (reaped).",
    }, () => [
      { labels: { outcome: "expired" }, value: this.#expired },
      { labels: { outcome: "reaped" }, value: this.#reaped },
    ]);
    readings.histogram(
      { name: "webhook_seconds", help: "Webhooks that were answered with 2xx." },
      this.#webhooks,
      1 / 1000,
    );
    readings.gauge({
      name: "wakeups_info",
      help: "1, with how this node learns of what others append: listen or poll.",
    }, () => this.#wakeups === null ? [] : [{ labels: { mode: this.#wakeups }, value: 1 }]);
  }

  #count(event: string): number {
    let sum = 0;
    for (const [key, { level, count }] of this.#events) {
      if (key.slice(level.length + 1) === event) sum += count;
    }
    return sum;
  }
}

interface EventCounter {
  readonly event: TelemetryEvent["event"];
  readonly help: string;
}

const COUNTERS: Readonly<Record<string, EventCounter>> = {
  webhooks_delivered_total: { event: "wake_delivered", help: "Webhooks answered with 2xx." },
  wakes_written_total: { event: "wake_written", help: "Wake events appended to wake streams." },
  delivery_failures_total: { event: "delivery_failed", help: "Attempts to deliver that failed." },
  leases_claimed_total: { event: "lease_claimed", help: "Wakes that workers claimed." },
  lease_expiries_total: { event: "lease_expired", help: "Leases that ended without an ack." },
  fenced_requests_total: { event: "request_fenced", help: "Acks and claims refused as stale." },
  subscription_errors_total: {
    event: "subscriptions_failed",
    help: "Errors while wakes were issued or delivered, which is done again.",
  },
  sweep_failures_total: { event: "sweep_failed", help: "Sweeps that met an error." },
  database_promotions_total: { event: "database_promoted", help: "Failovers to another primary." },
  connections_replaced_total: {
    event: "database_connections_replaced",
    help: "Times that half-open connections to the database were replaced.",
  },
  request_failures_total: { event: "request_failed", help: "Requests that got 500." },
};
