/** What `__ds/node` of a Penstock answers, what two answers say of the time between, and as text. */
import { formatSeconds } from "./durations.ts";
import { formatBytes } from "./progress.ts";

export interface Quantiles {
  readonly p50: number | null;
  readonly p99: number | null;
}

/** Totals since the node's start. */
export interface NodeTotals {
  readonly appends: number;
  readonly append_messages: number;
  readonly append_bytes: number;
  readonly commits: number;
  readonly reads: number;
  readonly read_bytes: number;
  readonly requests: number;
  readonly refused: number;
}

export interface NodeReport {
  readonly version: string;
  readonly node: string;
  readonly started_at: string;
  readonly database: {
    readonly kind: string;
    readonly version: string | null;
    readonly bytes: number | null;
  };
  readonly totals: NodeTotals;
  readonly followers: { readonly long_poll: number; readonly sse: number };
  readonly latency_seconds: {
    readonly append: Quantiles;
    readonly commit: Quantiles;
    readonly wake_up: Quantiles;
  };
  readonly commit_streams: Quantiles;
  readonly event_loop_delay_seconds: { readonly p99: number | null };
  readonly memory_bytes: { readonly rss: number; readonly heap: number; readonly buffered: number };
  readonly subscriptions: {
    readonly due: number | null;
    readonly leased: number | null;
    readonly failing: number | null;
  };
}

/** Per second. */
export type NodeRates = { readonly [Name in keyof NodeTotals]: number };

/** When an answer came: milliseconds of a steady clock. */
export interface Timed {
  readonly report: NodeReport;
  readonly at: number;
}

/** What was done between two answers; null where they are not of one life of one node. */
export function ratesBetween(before: Timed | null, after: Timed): NodeRates | null {
  if (before === null || after.at <= before.at) return null;
  const { node, started_at: started, totals } = before.report;
  if (after.report.node !== node || after.report.started_at !== started) return null;
  const seconds = (after.at - before.at) / 1000;
  const names = Object.keys(totals) as (keyof NodeTotals)[];
  return Object.fromEntries(
    names.map((name) => [name, (after.report.totals[name] - totals[name]) / seconds]),
  ) as NodeRates;
}

/** A label and what it says, for each line of a terminal. */
export type StatusRow = readonly [label: string, text: string];

/** @param nowMs as `Date.now()` */
export function statusRows(
  report: NodeReport,
  rates: NodeRates | null,
  nowMs: number,
): StatusRow[] {
  const { database, followers, latency_seconds: latency, memory_bytes: memory } = report;
  const { subscriptions } = report;
  const up = formatSeconds((nowMs - Date.parse(report.started_at)) / 1000);
  const kind = database.kind === "postgresql" ? "PostgreSQL" : "embedded PostgreSQL";
  const size = database.bytes === null ? "does not answer" : formatBytes(database.bytes);
  const rate = (name: keyof NodeTotals) => rates === null ? "-" : number(rates[name]);
  const bytes = (name: keyof NodeTotals) => rates === null ? "-" : formatBytes(rates[name]);
  return [
    ["Node", `${report.node}, Penstock ${report.version}, up ${up}`],
    ["Database", `${kind} ${database.version ?? ""}, ${size}`.replace(" ,", ",")],
    [
      "Appends",
      `${rate("appends")}/s, ${rate("append_messages")} messages/s, ${bytes("append_bytes")}/s, ` +
      times(latency.append),
    ],
    [
      "Commits",
      `${rate("commits")}/s, streams in each ${plain(report.commit_streams)}, ` +
      times(latency.commit),
    ],
    ["Reads", `${rate("reads")}/s, ${bytes("read_bytes")}/s`],
    ["Requests", `${rate("requests")}/s, refused ${rate("refused")}/s`],
    ["Followers", `${number(followers.sse)} by SSE, ${number(followers.long_poll)} by long-poll`],
    ["Wake-ups", times(latency.wake_up)],
    ["Event loop", `late by p99 ${time(report.event_loop_delay_seconds.p99)}`],
    [
      "Memory",
      `${formatBytes(memory.rss)} resident, ${formatBytes(memory.heap)} heap, ` +
      `${formatBytes(memory.buffered)} buffered`,
    ],
    [
      "Subscriptions",
      `${subscriptions.due ?? "-"} due, ${subscriptions.leased ?? "-"} leased, ` +
      `${subscriptions.failing ?? "-"} failing`,
    ],
  ];
}

function number(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function times({ p50, p99 }: Quantiles): string {
  return p50 === null ? "none in 10 s" : `p50 ${time(p50)}, p99 ${time(p99)}`;
}

function plain({ p50, p99 }: Quantiles): string {
  return p50 === null ? "-" : `p50 ${Math.ceil(p50)}, p99 ${Math.ceil(p99 ?? p50)}`;
}

function time(seconds: number | null): string {
  if (seconds === null) return "-";
  const ms = seconds * 1000;
  return ms < 10
    ? `${ms.toFixed(1)} ms`
    : ms < 1000
    ? `${ms.toFixed(0)} ms`
    : `${seconds.toFixed(1)} s`;
}
