/** The wake-up delay from end to end: on the node that commits, and on another one. */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import { startServer } from "../support/server.ts";
import { Events, eventually, freshStorage } from "../system/support.ts";
import { metricsOf } from "./support.ts";

Deno.test("delivery_seconds counts each follower that waited, here and on another node", async () => {
  const storage = await freshStorage("postgres");
  const one = await startServer({ database: storage.database });
  const other = await startServer({ database: storage.database, runtime: "bun" });
  const deliveries = async (url: string) => {
    const metrics = await metricsOf(url);
    const [count, sum] = ["count", "sum"].map((name) =>
      metrics.get(`penstock_delivery_seconds_${name}`)!
    );
    return { count: count!, sum: sum! };
  };
  try {
    const url = await createStream(one.url);
    const there = url.replace(one.url, other.url);
    // What a reader catches up with, it did not wait for.
    await append(url, "before");
    const followers = [await Events.open(url, "-1"), await Events.open(there, "-1")];
    for (const events of followers) await events.next();
    assert.deepEqual([(await deliveries(one.url)).count, (await deliveries(other.url)).count], [
      0,
      0,
    ]);
    const polled = fetch(`${there}?offset=now&live=long-poll`);
    await eventually(5000, "the long-poll", async () => {
      const metrics = await metricsOf(other.url);
      return metrics.get(`penstock_followers{mode="long-poll"}`) === 1 || undefined;
    });
    await append(url, "after");
    assert.equal(await (await polled).text(), "after");
    for (const events of followers) await events.next();
    const [here, away] = [await deliveries(one.url), await deliveries(other.url)];
    assert.equal(here.count, 1);
    assert.equal(away.count, 2);
    assert.ok(here.sum > 0 && here.sum < 1, `${here.sum}`);
    // The other node gathers changes for 3 ms, and sends them through the database.
    assert.ok(away.sum / 2 > 0.003 && away.sum / 2 < 1, `${away.sum}`);
    for (const events of followers) await events.close();
  } finally {
    await one.kill();
    await other.kill();
    await storage.remove();
  }
});
