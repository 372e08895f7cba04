/** What two answers of `__ds/node` say of the time between them. */
import assert from "node:assert/strict";
import { type NodeReport, ratesBetween, statusRows } from "../../src/client/node_report.ts";

const TOTALS = {
  ...{ appends: 0, append_messages: 0, append_bytes: 0, commits: 0 },
  ...{ reads: 0, read_bytes: 0, requests: 0, refused: 0 },
};

function reportOf(changes: Partial<NodeReport>): NodeReport {
  return {
    version: "0.2.0",
    node: "host:1",
    started_at: "2026-11-24T12:00:00.000Z",
    database: { kind: "postgresql", version: "18.4", bytes: 9 << 20 },
    totals: TOTALS,
    followers: { long_poll: 0, sse: 1234 },
    latency_seconds: {
      append: { p50: 0.0021, p99: 0.032 },
      commit: { p50: null, p99: null },
      wake_up: { p50: 1.5, p99: 2.5 },
    },
    commit_streams: { p50: 0.4, p99: 3.2 },
    event_loop_delay_seconds: { p99: null },
    memory_bytes: { rss: 1 << 30, heap: 1 << 20, buffered: 0 },
    subscriptions: { due: null, leased: null, failing: null },
    ...changes,
  };
}

Deno.test("ratesBetween divides by the time between the answers, and only within one life of one node", () => {
  const before = { report: reportOf({}), at: 1000 };
  const totals = { ...TOTALS, appends: 500, read_bytes: 4096 };
  const rates = ratesBetween(before, { report: reportOf({ totals }), at: 3000 });
  assert.deepEqual(rates, { ...TOTALS, appends: 250, read_bytes: 2048 });
  assert.equal(ratesBetween(null, before), null);
  assert.equal(ratesBetween(before, before), null);
  const other = reportOf({ totals, node: "host:2" });
  assert.equal(ratesBetween(before, { report: other, at: 3000 }), null);
  const restarted = reportOf({ started_at: "2026-11-24T12:00:01.000Z" });
  assert.equal(ratesBetween(before, { report: restarted, at: 3000 }), null);
});

Deno.test("statusRows says what is known, and a dash for what is not", () => {
  const now = Date.parse("2026-11-24T14:05:00.000Z");
  const totals = { ...TOTALS, appends: 2500 };
  const rates = ratesBetween({ report: reportOf({}), at: 0 }, {
    report: reportOf({ totals }),
    at: 2000,
  });
  const rows = new Map(statusRows(reportOf({ totals }), rates, now));
  assert.equal(rows.get("Node"), "host:1, Penstock 0.2.0, up 2 h 5 min");
  assert.equal(rows.get("Database"), "PostgreSQL 18.4, 9.0 MiB");
  assert.equal(rows.get("Appends"), "1,250/s, 0 messages/s, 0 B/s, p50 2.1 ms, p99 32 ms");
  assert.equal(rows.get("Commits"), "0/s, streams in each p50 1, p99 4, none in 10 s");
  assert.equal(rows.get("Followers"), "1,234 by SSE, 0 by long-poll");
  assert.equal(rows.get("Wake-ups"), "p50 1.5 s, p99 2.5 s");
  assert.equal(rows.get("Subscriptions"), "- due, - leased, - failing");
  const first = new Map(statusRows(reportOf({}), null, now));
  assert.equal(first.get("Reads"), "-/s, -/s");
});
