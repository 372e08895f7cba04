/** Everything that runs in the background keeps the contract of `lib/service.ts`. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import fc from "fast-check";
import { parseCommand } from "../src/cli/command_line.ts";
import { HttpServer } from "../src/http/server.ts";
import type { Service } from "../src/lib/service.ts";
import { Node } from "../src/node.ts";
import type { Database } from "../src/storage/database.ts";
import { migrate } from "../src/storage/migrate.ts";
import { openPostgres } from "../src/storage/postgres/postgres.ts";
import { Sweeper } from "../src/streams/lifecycle/sweeper.ts";
import { Streams } from "../src/streams/streams.ts";
import { Subscriptions } from "../src/subscriptions/subscriptions.ts";
import { freshDatabase } from "./support/postgres.ts";

const telemetry = { report: () => {} };

type ServiceMaker = (database: Database) => Service;

const SERVICES: Readonly<Record<string, ServiceMaker>> = {
  HttpServer: () =>
    new HttpServer({
      hostname: "127.0.0.1",
      port: 0,
      handler: () => Promise.resolve(new Response()),
      sharedPort: false,
      certificate: null,
    }),
  Sweeper: (database) =>
    new Sweeper({ database, rules: [], onTrimmed: () => {} }, telemetry, {
      onEnded: () => {},
      producerIdleExpiryMs: null,
    }),
  Streams: (database) => new Streams(database, telemetry),
  Subscriptions: (database) =>
    new Subscriptions({
      ...{ database, telemetry, streams: new Streams(database, telemetry) },
      ...{ webhookAllow: [], publicUrl: () => "http://127.0.0.1" },
    }),
};

async function withDatabase(use: (database: Database, url: string) => Promise<void>) {
  const { url, drop } = await freshDatabase();
  const database = await openPostgres({ url, connections: 2, timeoutMs: 20_000 });
  try {
    await migrate(database);
    await use(database, url);
  } finally {
    await database.close();
    await drop();
  }
}

// What a service leaves behind (a timer, a connection, a listener) fails its test: the runner looks.
for (const [name, make] of Object.entries(SERVICES)) {
  Deno.test(`${name} starts and stops in any order and leaves nothing running`, async () => {
    await withDatabase(async (database) => {
      const calls = fc.array(fc.constantFrom("start", "stop"), { maxLength: 8 });
      await fc.assert(
        fc.asyncProperty(calls, fc.boolean(), async (calls, atOnce) => {
          const service = make(database);
          const pending: Promise<void>[] = [];
          for (const call of calls) {
            pending.push(call === "start" ? service.start() : service.stop());
            if (!atOnce) await pending.at(-1);
          }
          await Promise.all(pending);
          await service.stop();
        }),
        { numRuns: 10 },
      );
    });
  });
}

Deno.test("a node whose port is taken says so and leaves nothing running", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  try {
    await withDatabase(async (_, url) => {
      const command = parseCommand(["serve", "--port", String(port), "--database-url", url], {});
      assert("config" in command);
      await assert.rejects(Node.start(command.config, telemetry), new RegExp(`port ${port}`));
    });
  } finally {
    other.close();
    await once(other, "close");
  }
});
