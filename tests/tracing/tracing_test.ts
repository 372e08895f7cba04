/** Spans of a running server, as a collector gets them. */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import { metricsOf } from "../metrics/support.ts";
import { Events, eventually, withServer, withStorage } from "../system/support.ts";
import { type CollectedSpan, type Collector, startCollector } from "./collector.ts";

const SECRET = "sEcReT";
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const SAMPLED = `00-${TRACE}-${PARENT}-01`;
const UNSAMPLED = `00-${TRACE.replace("0", "1")}-${PARENT}-00`;

function environment(collector: Collector, more: Record<string, string> = {}) {
  return { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: "50", ...more };
}

async function withCollector(use: (collector: Collector) => Promise<void>): Promise<void> {
  const collector = await startCollector();
  try {
    await use(collector);
  } finally {
    await collector.stop();
  }
}

function spanOf(
  collector: Collector,
  accepts: (span: CollectedSpan) => boolean,
): Promise<CollectedSpan> {
  return eventually(
    10_000,
    "the span",
    () => Promise.resolve(collector.spans.find(accepts)),
  );
}

/** Appends to a stream, each as a part of a trace of its own. */
function appendTraced(url: string, count: number): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, async (_, n) => {
    const traceparent = `00-${String(n + 1).padStart(32, "0")}-${PARENT}-01`;
    const headers = { "content-type": "text/plain", traceparent };
    const response = await fetch(url, { method: "POST", headers, body: "x" });
    assert.equal(response.status, 204, await response.text());
  }));
}

for (const [runtime, kind] of [["deno", "postgres"], ["bun", "embedded"]] as const) {
  Deno.test(`requests, commits and queries are spans at a collector, on ${runtime} and ${kind}`, async () => {
    await withCollector((collector) =>
      withStorage(kind, async (database) => {
        const env = environment(collector, {
          OTEL_SERVICE_NAME: "orders",
          OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
          OTEL_EXPORTER_OTLP_HEADERS: `x-api-key=${SECRET}-key`,
        });
        await withServer({ runtime, database, env }, async (server) => {
          await server.logged(({ event, url }) =>
            event === "tracing" && url === `${collector.url}/v1/traces`
          );
          await metricsOf(server.url); // which is not traced
          const url = await createStream(server.url, "traced");
          const headers = { "content-type": "text/plain", traceparent: SAMPLED };
          const answered = await fetch(`${url}?token=${SECRET}-query`, {
            method: "POST",
            headers: { ...headers, "x-request-id": "mine-1", authorization: `Bearer ${SECRET}` },
            body: `${SECRET}-body`,
          });
          assert.equal(answered.status, 204);
          assert.equal(answered.headers.get("x-request-id"), "mine-1");

          const request = await spanOf(collector, ({ name }) => name === "POST append");
          assert.equal(request.traceId, TRACE);
          assert.equal(request.parentSpanId, PARENT);
          assert.equal(request.kind, 2, "a server's span");
          const { "network.peer.address": address, ...rest } = request.named;
          assert.match(String(address), /127\.0\.0\.1$/);
          assert.deepEqual(rest, {
            "http.request.method": "POST",
            "url.path": "/v1/stream/traced",
            "penstock.mode": "append",
            "penstock.request_id": "mine-1",
            "http.response.status_code": 204,
            "http.response.body.size": 0,
          });
          assert.equal(request.resource["service.name"], "orders");
          assert.equal(request.resource["deployment.environment.name"], "test");
          assert.match(String(request.resource["service.version"]), /^\d+\.\d+\.\d+/);

          const commit = await spanOf(collector, ({ name }) => name === "commit");
          assert.equal(commit.traceId, TRACE);
          assert.equal(commit.parentSpanId, request.spanId);
          assert.equal(commit.named["penstock.commit.appends"], 1);
          assert.deepEqual(linksOf(commit), [request.spanId]);
          assert.deepEqual(linksOf(request), [commit.spanId]);
          const query = await spanOf(
            collector,
            ({ parentSpanId }) => parentSpanId === commit.spanId,
          );
          assert.match(query.name, /^query commit_append/);
          assert.equal(query.traceId, TRACE);

          // The load of the state that a read waits for is a part of its trace, too.
          await (await fetch(`${url}?offset=-1`)).text();
          const read = await spanOf(collector, ({ name }) => name === "GET catch-up");
          const load = await spanOf(collector, ({ name, links }) =>
            name === "load states" && links?.[0]?.spanId === read.spanId);
          assert.equal(load.parentSpanId, read.spanId);

          // A request goes on until its last event, and so does its span.
          const events = await Events.open(url, "-1");
          await events.next();
          assert.equal(
            collector.spans.some(({ name }) =>
              name === "GET sse"
            ),
            false,
          );
          await events.close();
          const sse = await spanOf(collector, ({ name }) => name === "GET sse");
          assert.ok(Number(sse.named["http.response.body.size"]) > 50);

          const [{ headers: sent }] = collector.requests as [Collector["requests"][number]];
          assert.equal(sent["x-api-key"], `${SECRET}-key`);
          assert.ok(!collector.requests.some(({ body }) => body.includes(SECRET)));
          assert.ok(!server.logs.join("\n").includes(SECRET));
          const metrics = await metricsOf(server.url);
          assert.ok(metrics.get("penstock_spans_sent_total")! >= 5);
          assert.ok(!collector.spans.some(({ name }) => name.endsWith(" metrics")));
          assert.equal(metrics.get("penstock_spans_dropped_total"), 0);
        });
      })
    );
  });
}

Deno.test("a group commit is one span, which links to the requests of all its appends", async () => {
  await withCollector((collector) =>
    withStorage(
      "embedded",
      (database) =>
        withServer({ database, env: environment(collector) }, async (server) => {
          const url = await createStream(server.url, "grouped");
          const count = 40;
          await appendTraced(url, count);
          const isAppend = ({ name }: CollectedSpan) => name === "POST append";
          const requests = await eventually(10_000, "all requests", () => {
            const found = collector.spans.filter(isAppend);
            return Promise.resolve(found.length === count ? found : undefined);
          });
          const commits = await eventually(10_000, "their commits", () => {
            const found = collector.spans.filter(({ name }) => name === "commit");
            const linked = new Set(found.flatMap(linksOf));
            return Promise.resolve(
              requests.every(({ spanId }) => linked.has(spanId)) ? found : undefined,
            );
          });
          assert.ok(commits.length < count, `${commits.length} commits`);
          for (const commit of commits) {
            assert.equal(commit.links!.length, commit.named["penstock.commit.appends"]);
            // From each of its requests, in whatever trace, it is found.
            for (const id of linksOf(commit)) {
              const request = requests.find(({ spanId }) => spanId === id)!;
              assert.ok(linksOf(request).includes(commit.spanId));
            }
          }
          const queries = collector.spans.filter(({ name }) =>
            name.startsWith("query commit_append")
          );
          const ids = new Set(commits.map(({ spanId }) => spanId));
          assert.ok(queries.every(({ parentSpanId }) => ids.has(parentSpanId!)));
        }),
    )
  );
});

Deno.test("the sampler decides, and a caller's decision counts where it is based on the parent", async () => {
  await withCollector((collector) =>
    withStorage("embedded", async (database) => {
      const env = environment(collector, {
        OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG: "0",
      });
      await withServer({ database, env }, async (server) => {
        const url = await createStream(server.url, "unsampled");
        await append(url, "one");
        const read = (traceparent: string) =>
          fetch(`${url}?offset=-1`, { headers: { traceparent } }).then((got) => got.text());
        await read(UNSAMPLED);
        await read("00-not-a-parent-01");
        assert.equal(await read(SAMPLED), "one");
        const span = await spanOf(collector, ({ name }) => name === "GET catch-up");
        assert.equal(span.traceId, TRACE);
        assert.equal(await server.stop(), 0);
      });
      assert.ok(collector.spans.every(({ traceId }) => traceId === TRACE));
    })
  );
});

Deno.test("what is queued is sent before the process ends", async () => {
  await withCollector((collector) =>
    withStorage("embedded", async (database) => {
      const env = environment(collector, { OTEL_BSP_SCHEDULE_DELAY: "600000" });
      await withServer({ database, env }, async (server) => {
        await createStream(server.url, "last");
        assert.equal(collector.spans.length, 0);
        assert.equal(await server.stop(), 0);
      });
      assert.ok(collector.spans.some(({ name }) => name === "PUT create"));
    })
  );
});

for (const runtime of ["deno", "bun"] as const) {
  Deno.test(`a collector that hangs or is away costs spans and nothing else, on ${runtime}`, async () => {
    const collector = await startCollector({ hangs: true });
    try {
      await withStorage("embedded", async (database) => {
        const env = environment(collector, { OTEL_BSP_MAX_QUEUE_SIZE: "20" });
        await withServer({ runtime, database, env }, async (server) => {
          const url = await createStream(server.url, "served");
          for (let n = 0; n < 60; n++) await append(url, "x");
          const line = await server.logged(({ event }) => event === "spans_dropped");
          assert.equal(line.level, "warning");
          await collector.stop();
          for (let n = 0; n < 60; n++) await append(url, "x");
          const dropped = (await metricsOf(server.url)).get("penstock_spans_dropped_total")!;
          assert.ok(dropped > 100, String(dropped));
          const lines = server.logs.filter((text) => text.includes(`"spans_dropped"`));
          assert.equal(lines.length, 1, "one line a minute");
          const began = performance.now();
          assert.equal(await server.stop(), 0);
          assert.ok(performance.now() - began < 5000, "a stop waits two seconds for it at most");
        });
      });
    } finally {
      await collector.stop().catch(() => {});
    }
  });
}

function linksOf({ links = [] }: CollectedSpan): string[] {
  return links.map(({ spanId }) => spanId);
}
