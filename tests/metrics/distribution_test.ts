/** A distribution counts what Prometheus's histograms count. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Distribution } from "../../src/lib/telemetry/distribution.ts";
import { REQUEST_KINDS, RequestCounts } from "../../src/lib/telemetry/request_counts.ts";
import { kindOfUrl } from "../../src/http/request_observer.ts";

Deno.test("Distribution puts each value into the first bucket whose bound it does not exceed", () => {
  const bounds = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 9 })
    .map((numbers) => numbers.toSorted((a, b) => a - b));
  const values = fc.array(fc.integer({ min: -60, max: 60 }), { maxLength: 40 });
  fc.assert(fc.property(bounds, values, (bounds, values) => {
    const distribution = new Distribution(bounds);
    for (const value of values) distribution.observe(value);
    let cumulative = 0;
    for (const [bucket, bound] of [...bounds, Infinity].entries()) {
      cumulative += distribution.counts[bucket]!;
      assert.equal(cumulative, values.filter((value) => value <= bound).length);
    }
    assert.equal(distribution.sum, values.reduce((sum, value) => sum + value, 0));
  }));
});

Deno.test("kindOfUrl says what a request is by its method and target", () => {
  const stream = "http://h:1/v1/stream/a";
  const rows: [string, string, string, string][] = [
    ["POST", stream, "append", ""],
    ["PUT", stream, "create", ""],
    ["DELETE", stream, "delete", ""],
    ["HEAD", stream, "head", ""],
    ["OPTIONS", stream, "preflight", ""],
    ["GET", stream, "read", "catch-up"],
    ["GET", `${stream}?offset=-1`, "read", "catch-up"],
    ["GET", `${stream}?offset=-1&live=long-poll`, "read", "long-poll"],
    ["GET", `${stream}?live=sse&offset=-1`, "read", "sse"],
    ["GET", "/v1/stream/a?live=sse", "read", "sse"],
    ["PATCH", stream, "other", ""],
    ["GET", "http://h/v1/stream/__ds/jwks.json", "subscriptions", ""],
    ["GET", "http://h/ready?x=1", "health", ""],
    ["GET", "http://h/metrics", "metrics", ""],
    ["GET", "http://h/v2", "other", ""],
    ["GET", "http://h", "other", ""],
    ["OPTIONS", "*", "other", ""],
  ];
  for (const [method, url, route, mode] of rows) {
    assert.deepEqual(REQUEST_KINDS[kindOfUrl(method, url)], { route, mode }, `${method} ${url}`);
  }
});

Deno.test("RequestCounts has an entry for each kind and status that there was", () => {
  const counts = new RequestCounts();
  counts.add(1, 204);
  counts.add(1, 204);
  counts.add(5, 503);
  assert.deepEqual([...counts.entries()], [
    { route: "append", mode: "", status: 204, count: 2 },
    { route: "read", mode: "catch-up", status: 503, count: 1 },
  ]);
});
