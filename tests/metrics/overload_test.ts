/** A node on which nothing fits any more says so in /ready and in /metrics. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createStream } from "../support/http.ts";
import { closeAll, expectOverloaded, stalledUpload } from "../system/overload_support.ts";
import {
  Events,
  eventually,
  expectError,
  expectStatus,
  withServer,
  withStorage,
} from "../system/support.ts";
import { metricsOf } from "./support.ts";

/** A quarter of --max-buffered-bytes is for bodies on their way in: four of the longest small ones. */
const SMALL_BYTES = 64 << 10;

Deno.test("full of small bodies, a node is not ready, says why, and recovers", async () => {
  await withStorage("embedded", async (database) => {
    await withServer({ database, args: ["--max-buffered-bytes", "1MiB"] }, async (server) => {
      const url = await createStream(server.url);
      const ready = () => fetch(`${server.url}/ready`);
      await expectStatus(await ready(), 200);
      const framing = `Content-Length: ${SMALL_BYTES}\r\n`;
      const uploads = await Promise.all(
        Array.from(
          { length: 4 },
          () => stalledUpload(server, url, framing, Buffer.alloc(SMALL_BYTES - 1)),
        ),
      );
      try {
        const response = await eventually(5000, "not ready", async () => {
          const response = await ready();
          if (response.status === 503) return response;
          await response.body?.cancel();
        });
        await expectOverloaded(response);
        const again = await ready();
        const { error } = await again.json() as { error: { message: string } };
        assert.equal(error.message, "no request fits: request_bodies is full");
        const metrics = await metricsOf(server.url);
        const held = metrics.get(`penstock_memory_bytes{part="request_bodies"}`);
        assert.equal(held, metrics.get(`penstock_memory_limit_bytes{part="request_bodies"}`));
      } finally {
        closeAll(uploads);
      }
      await eventually(5000, "ready again", async () => {
        const response = await ready();
        await response.body?.cancel();
        return response.status === 200 || undefined;
      });
    });
  });
});

Deno.test("what is turned away is logged once a second, with the number of requests", async () => {
  await withStorage("embedded", async (database) => {
    await withServer({ database, args: ["--max-followers", "1"] }, async (server) => {
      const url = await createStream(server.url);
      const events = await Events.open(url, "-1");
      await events.next();
      const lines = () =>
        server.logs.map((line) => JSON.parse(line) as Record<string, unknown>)
          .filter(({ event }) => event === "overloaded");
      let turnedAway = 0;
      while (lines().length < 3) {
        assert.equal(
          await expectError(await fetch(`${url}?offset=now&live=sse`), 503),
          "OVERLOADED",
        );
        turnedAway++;
      }
      const times = lines().map(({ time }) => Date.parse(String(time)));
      for (let n = 1; n < times.length; n++) {
        assert.ok(times[n]! - times[n - 1]! >= 990, `${times[n]! - times[n - 1]!} ms between two`);
      }
      const reported = lines().reduce((sum, { suppressed }) => sum + 1 + Number(suppressed), 0);
      assert.ok(reported <= turnedAway && reported > 10, `${reported} of ${turnedAway}`);
      const metrics = await metricsOf(server.url);
      assert.equal(metrics.get(`penstock_turned_away_total{by="followers"}`), turnedAway);
      await events.close();
    });
  });
});
