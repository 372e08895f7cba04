/** The database goes away and returns: /ready, /metrics and the log say so. */
import assert from "node:assert/strict";
import { type RunningServer, startServer } from "../support/server.ts";
import { Proxy } from "../system/proxy.ts";
import { eventually, expectError, expectStatus, serverForThisFile } from "../system/support.ts";
import { metricsOf } from "./support.ts";

const direct = serverForThisFile("postgres");
let proxy: Proxy;
let server: RunningServer;

Deno.test.beforeAll(async () => {
  proxy = await Proxy.start(direct.databaseUrl);
  const args = ["--database-timeout", "1s"];
  server = await startServer({ database: { url: proxy.url }, args });
});
Deno.test.afterAll(async () => {
  await server.kill();
  proxy.stop();
});

Deno.test("an outage shows in /ready, in /metrics and, with how long it was, in the log", async () => {
  await expectStatus(await fetch(`${server.url}/ready`), 200);
  assert.equal((await metricsOf(server.url)).get("penstock_database_up"), 1);
  const began = performance.now();
  proxy.set("refuse");
  await eventually(10_000, "database_up 0", async () => {
    await (await fetch(`${server.url}/v1/stream/a`)).body?.cancel();
    return (await metricsOf(server.url)).get("penstock_database_up") === 0 || undefined;
  });
  assert.equal(await expectError(await fetch(`${server.url}/ready`), 503), "DATABASE_UNAVAILABLE");
  // The outage is to be longer than a statement that was merely slow.
  await eventually(
    10_000,
    "two seconds of outage",
    () => Promise.resolve(performance.now() - began > 2000 || undefined),
  );
  proxy.set("open");
  const returned = await server.logged(({ event }) => event === "database_returned");
  const lasted = performance.now() - began;
  assert.ok(Number(returned.awayMs) > 1000 && Number(returned.awayMs) <= lasted, `${lasted}`);
  assert.match(String(returned.message), /^The database answers again, after \d+\.\d s$/);
  const metrics = await metricsOf(server.url);
  assert.equal(metrics.get("penstock_database_up"), 1);
  assert.ok(metrics.get("penstock_statement_failures_total")! > 0);
  assert.equal(metrics.get(`penstock_events_total{event="database_returned",level="info"}`), 1);
  await expectStatus(await fetch(`${server.url}/ready`), 200);
});
