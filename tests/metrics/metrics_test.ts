/** /metrics of a running server: what requests leave in it, and what must never be in it. */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import {
  Events,
  eventually,
  expectError,
  produce,
  withServer,
  withStorage,
} from "../system/support.ts";
import { metricsOf } from "./support.ts";

const SECRET = "sEcReT";

for (const [runtime, kind] of [["deno", "postgres"], ["bun", "embedded"]] as const) {
  Deno.test(`/metrics counts what was done and names nobody, on ${runtime} and ${kind}`, async () => {
    await withStorage(kind, async (database) => {
      const args = ["--max-followers", "1"];
      await withServer({ runtime, database, args }, async (server) => {
        const url = await createStream(server.url, `path-${SECRET}`, {
          contentType: "application/json",
          body: "[1,2]",
        });
        for (let n = 0; n < 5; n++) await append(url, "[3,4]", { contentType: "application/json" });
        await (await fetch(`${url}?offset=-1`)).body?.cancel();
        await (await fetch(`${server.url}/v1/stream/missing-${SECRET}`)).body?.cancel();
        const text = await createStream(server.url);
        await produce(text, { id: `producer-${SECRET}`, epoch: 0, seq: 0 }, "12345");
        const events = await Events.open(url, "-1");
        await events.next();
        const turnedAway = await fetch(`${url}?offset=now&live=sse`);
        assert.equal(await expectError(turnedAway, 503), "OVERLOADED");
        const line = await server.logged(({ event }) => event === "overloaded");
        assert.match(String(line.message), /^Requests turned away: too many follow streams here/);

        const metrics = await metricsOf(server.url);
        const value = (name: string) => metrics.get(`penstock_${name}`);
        const requests = (labels: string) => value(`requests_total{${labels}}`);
        assert.equal(requests(`route="append",mode="",status="204"`), 5);
        assert.equal(requests(`route="create",mode="",status="201"`), 2);
        assert.equal(requests(`route="read",mode="catch-up",status="404"`), 1);
        assert.equal(requests(`route="read",mode="sse",status="503"`), 1);
        assert.equal(value(`turned_away_total{by="followers"}`), 1);
        assert.equal(value(`refusals_total{kind="not_found"}`), 1);
        assert.equal(value("append_seconds_count"), 6);
        assert.equal(value(`append_seconds_bucket{le="+Inf"}`), 6);
        assert.equal(value("commit_appends_sum"), 6);
        assert.equal(value("messages_received_total"), 2 + 5 * 2 + 1);
        assert.equal(value("bytes_received_total"), 6 * 5 + 5);
        // What one GET and one SSE event hold.
        assert.equal(value("messages_sent_total"), 2 * (2 + 5 * 2));
        assert.equal(value(`followers{mode="sse"}`), 1);
        assert.equal(value("events_sent_total"), 1);
        assert.equal(value("database_up"), 1);
        assert.ok(value("statement_seconds_count")! > 5);
        assert.equal(value("listening"), kind === "postgres" ? 1 : undefined);

        await append(url, "[5]", { contentType: "application/json" });
        await events.next();
        await eventually(5000, "the fan-out and the database's size", async () => {
          const later = await metricsOf(server.url);
          return later.get("penstock_fan_out_seconds_count") === 1 &&
              later.get("penstock_database_size_bytes")! > 1e6 || undefined;
        });
        await events.close();
        await eventually(
          5000,
          "no follower",
          async () =>
            (await metricsOf(server.url)).get(`penstock_followers{mode="sse"}`) === 0 || undefined,
        );
        const whole = await (await fetch(`${server.url}/metrics`)).text();
        assert.ok(!whole.includes(SECRET), "a path, producer or token in /metrics");
      });
    });
  });
}
