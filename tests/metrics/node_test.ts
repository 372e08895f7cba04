/** `__ds/node` of a running server, and the quantiles of its last seconds. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { COUNTS, Distribution } from "../../src/lib/telemetry/distribution.ts";
import { quantileOf, RECENT_SECONDS, RecentFigures } from "../../src/metrics/recent_figures.ts";
import { append, createStream } from "../support/http.ts";
import { Events, eventually, expectError, withServer, withStorage } from "../system/support.ts";

interface Report {
  readonly version: string;
  readonly node: string;
  readonly started_at: string;
  readonly database: { kind: string; version: string; bytes: number | null };
  readonly totals: Record<string, number>;
  readonly followers: { long_poll: number; sse: number };
  readonly latency_seconds: Record<string, { p50: number | null; p99: number | null }>;
  readonly commit_streams: { p50: number | null; p99: number | null };
  readonly event_loop_delay_seconds: { p99: number | null };
  readonly memory_bytes: { rss: number; heap: number; buffered: number };
  readonly subscriptions: { due: number; leased: number; failing: number };
}

async function report(url: string): Promise<Report> {
  const response = await fetch(`${url}/v1/stream/__ds/node`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("cache-control"), "no-store");
  return await response.json() as Report;
}

for (const [runtime, kind] of [["deno", "postgres"], ["bun", "embedded"]] as const) {
  Deno.test(`__ds/node says what was done, on ${runtime} and ${kind}`, async () => {
    await withStorage(kind, async (database) => {
      await withServer({ runtime, database }, async (server) => {
        // The database is waited for half a second; on a busy machine it may take longer at first.
        const idle = await eventually(10_000, "the database's figures", async () => {
          const idle = await report(server.url);
          return idle.database.bytes === null ? undefined : idle;
        });
        assert.equal(idle.database.kind, kind === "postgres" ? "postgresql" : "embedded");
        assert.match(idle.database.version, /^1[4-9]\.\d+$/);
        assert.ok(idle.database.bytes! > 1e6);
        assert.deepEqual(idle.latency_seconds.append, { p50: null, p99: null });
        assert.deepEqual(idle.commit_streams, { p50: null, p99: null });
        assert.deepEqual(idle.subscriptions, { due: 0, leased: 0, failing: 0 });
        assert.ok(Math.abs(Date.parse(idle.started_at) - Date.now()) < 60_000);
        assert.equal(idle.totals.appends, 0);

        const url = await createStream(server.url, undefined, { contentType: "application/json" });
        const events = await Events.open(url, "-1");
        const json = { contentType: "application/json" };
        for (let n = 0; n < 5; n++) await append(url, "[1,2]", json);
        await (await fetch(`${url}?offset=-1`)).body?.cancel();
        await (await fetch(`${server.url}/v1/stream/missing`)).body?.cancel();
        await events.next();
        const busy = await eventually(5000, "a wake-up", async () => {
          const busy = await report(server.url);
          return busy.latency_seconds.wake_up!.p50 === null ? undefined : busy;
        });
        assert.equal(busy.totals.appends, 5);
        assert.equal(busy.totals.append_messages, 10);
        assert.equal(busy.totals.append_bytes, 25);
        assert.equal(busy.totals.commits, 5);
        assert.equal(busy.totals.reads, 3);
        assert.ok(busy.totals.read_bytes! > 20);
        assert.equal(busy.totals.refused, 1);
        assert.deepEqual(busy.followers, { long_poll: 0, sse: 1 });
        const { p50, p99 } = busy.latency_seconds.append!;
        assert.ok(p50! > 0 && p50! <= p99! && p99! < 5, `${p50} ${p99}`);
        assert.deepEqual(busy.commit_streams, { p50: 1, p99: 1 });
        assert.ok(busy.memory_bytes.rss > busy.memory_bytes.heap / 2);
        assert.ok(busy.memory_bytes.heap > 1e6);

        const asked = fetch(`${url}?offset=now&live=long-poll`);
        await eventually(
          5000,
          "a long-poll",
          async () => (await report(server.url)).followers.long_poll === 1 || undefined,
        );
        await append(url, "[3]", json);
        await (await asked).body?.cancel();
        await events.close();

        const query = await fetch(`${server.url}/v1/stream/__ds/node?since=1`);
        assert.equal(await expectError(query, 400), "INVALID_REQUEST");
        const put = await fetch(`${server.url}/v1/stream/__ds/node`, { method: "PUT" });
        assert.equal(await expectError(put, 405), "METHOD_NOT_ALLOWED");
      });
    });
  });
}

Deno.test("quantileOf lies in the bucket of the value with that rank", () => {
  const values = fc.array(fc.double({ min: 0, max: 120, noNaN: true }), { minLength: 1 });
  fc.assert(fc.property(values, fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1), (values, share) => {
    const bounds = [1, 2, 5, 10, 50, 100];
    const distribution = new Distribution(bounds);
    for (const value of values) distribution.observe(value);
    const ranked = values.toSorted((a, b) => a - b)[Math.ceil(share * values.length) - 1]!;
    const bucket = bounds.findIndex((bound) => ranked <= bound);
    const quantile = quantileOf(bounds, distribution.counts, share)!;
    if (bucket === -1) assert.equal(quantile, 100);
    else assert.ok(quantile >= (bounds[bucket - 1] ?? 0) && quantile <= bounds[bucket]!);
  }));
});

Deno.test("quantiles of a count are whole numbers that were observed, or lie in their bucket", () => {
  const counts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  fc.assert(fc.property(counts, (values) => {
    const distribution = new Distribution(COUNTS);
    const recent = new RecentFigures([distribution]);
    recent.sample(0);
    for (const value of values) distribution.observe(value);
    const { p50, p99 } = recent.wholeQuantiles(distribution);
    const sorted = values.toSorted((a, b) => a - b);
    for (const [share, quantile] of [[0.5, p50!], [0.99, p99!]] as const) {
      const ranked = sorted[Math.ceil(share * values.length) - 1]!;
      const bucket = COUNTS.findIndex((bound) => ranked <= bound);
      assert.ok(Number.isInteger(quantile));
      assert.ok(quantile > (COUNTS[bucket - 1] ?? 0) && quantile <= COUNTS[bucket]!);
    }
  }));
});

Deno.test("RecentFigures forgets what is older than its seconds", () => {
  const distribution = new Distribution([1, 10]);
  const recent = new RecentFigures([distribution]);
  assert.equal(recent.quantile(distribution, 0.5), null);
  distribution.observe(0.5);
  assert.ok(recent.quantile(distribution, 0.5)! <= 1, "before the first sample, all is recent");
  recent.sample(0);
  distribution.observe(5);
  assert.ok(recent.quantile(distribution, 0.01)! > 1, "what came before the first sample");
  for (let second = 1; second <= RECENT_SECONDS; second++) {
    assert.notEqual(recent.quantile(distribution, 0.5), null, `after ${second - 1} s`);
    recent.sample(second * 1000);
    recent.sample(second * 1000 + 250);
  }
  assert.equal(recent.quantile(distribution, 0.5), null);
});
