/** `--workers`: several processes, one port, and somebody who looks after them. */
// Runs after compile: it runs the binary, too.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { once } from "node:events";
import process from "node:process";
import { append, createStream, readAll } from "../support/http.ts";
import { freshDatabase } from "../support/postgres.ts";
import { type RunningServer, type Runtime, startServer } from "../support/server.ts";
import { penstock } from "./processes.ts";
import { Events, eventually, freePort, within } from "./support.ts";

const LIMIT_MS = 30_000;
const plain = { "content-type": "text/plain" };

interface Fleet {
  readonly server: RunningServer;
  /** Process ids of the workers that run now, by number. */
  workers(): Map<number, number>;
  /** Until so many have come to listen, ever. */
  listening(count: number): Promise<void>;
}

function logsOf(server: RunningServer, event: string): Record<string, unknown>[] {
  return server.logs.map((line) => JSON.parse(line)).filter((line) => line.event === event);
}

async function withFleet(
  runtime: Runtime,
  use: (fleet: Fleet) => Promise<void>,
): Promise<void> {
  const fresh = await freshDatabase();
  const args = ["--workers", "2", "--database-connections", "3"];
  const server = await startServer({ runtime, database: { url: fresh.url }, args });
  const workers = () =>
    new Map(
      logsOf(server, "worker_started").map((line) => [Number(line.worker), Number(line.pid)]),
    );
  const listening = (count: number) =>
    eventually(
      LIMIT_MS,
      `${count} workers that listen`,
      () => logsOf(server, "listening").length >= count || undefined,
    ).then(() => {});
  try {
    await listening(2);
    await use({ server, workers, listening });
  } finally {
    // The workers go by themselves when nobody is left to look after them.
    await server.kill();
    await eventually(LIMIT_MS, "the end of all workers", () => {
      return [...workers().values()].every((pid) => !isAlive(pid)) || undefined;
    });
    await fresh.drop();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const runtimes: Runtime[] = ["deno", "bun"];
if (existsSync("dist/penstock")) runtimes.push("binary");

for (const runtime of runtimes) {
  Deno.test({
    name: `${runtime}: two workers serve; one that is killed is replaced, and SIGTERM drains`,
    ignore: process.platform !== "linux",
    async fn() {
      await withFleet(runtime, async ({ server, workers, listening }) => {
        const before = workers();
        assert.equal(before.size, 2);
        const urls = new Set(logsOf(server, "listening").map((line) => line.url));
        assert.deepEqual([...urls], [server.url]);
        assert.deepEqual(
          logsOf(server, "listening").map((line) => line.worker).sort(),
          [1, 2],
        );

        const url = await createStream(server.url);
        const acked: string[] = [];
        const victim = before.get(2)!;
        let over = false;
        // A connection each: those of the dead break, and nothing else does.
        const writers = [0, 1, 2, 3, 4, 5, 6, 7].map(async (writer) => {
          let broken = 0;
          for (let n = 0; !over; n++) {
            const body = `${writer}.${n};`;
            try {
              const headers = { ...plain, connection: "close" };
              const response = await fetch(url, { method: "POST", headers, body });
              await response.body?.cancel();
              assert.equal(response.status, 204);
              acked.push(body);
            } catch (error) {
              if (error instanceof assert.AssertionError) throw error;
              broken++;
            }
          }
          return broken;
        });
        const reach = (more: number) => {
          const goal = acked.length + more;
          return eventually(LIMIT_MS, "acks", () => acked.length >= goal || undefined);
        };
        await reach(100);
        process.kill(victim, "SIGKILL");
        await reach(100);
        await listening(3);
        await reach(100);
        over = true;
        const broken = (await Promise.all(writers)).reduce((sum, count) => sum + count);
        assert.ok(broken <= 16, `${broken} requests broke with one worker`);
        const [died] = logsOf(server, "worker_died");
        assert.equal(died?.worker, 2);
        assert.equal(died?.reason, "SIGKILL");
        assert.notEqual(workers().get(2), victim);
        assert.equal(workers().get(1), before.get(1));
        const { text } = await readAll(url);
        for (const body of acked) assert.ok(text.includes(body), `${body} was acked`);

        // Followers of both workers are sent away, and all of it ends well.
        const events = await Promise.all(
          Array.from({ length: 8 }, () => Events.open(url, "now")),
        );
        for (const follower of events) await follower.control();
        await append(url, "last");
        for (const follower of events) assert.equal(await follower.data(), "last");
        const stopped = within(LIMIT_MS, "the end", server.stop());
        for (const follower of events) {
          while (await follower.next(LIMIT_MS) !== undefined);
        }
        assert.equal(await stopped, 0);
        assert.equal(logsOf(server, "stopped").length, 3);
      });
    },
  });
}

const linux = { ignore: process.platform !== "linux" };

Deno.test({
  ...linux,
  name: "a second SIGTERM forces all of them",
  async fn() {
    await withFleet("deno", async ({ server, workers }) => {
      const url = await createStream(server.url);
      // An upload that does not go on keeps its worker from ending by itself.
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode("begun")),
      });
      const upload = fetch(url, { method: "POST", headers: plain, body }).catch(() => {});
      await eventually(LIMIT_MS, "an answer", async () => {
        return (await fetch(url)).body?.cancel().then(() => true);
      });
      const exited = once(server.process, "exit") as Promise<[number | null]>;
      process.kill(server.process.pid!, "SIGTERM");
      await server.logged((line) => line.event === "stopping_workers");
      process.kill(server.process.pid!, "SIGTERM");
      const [code] = await within(5000, "the end", exited);
      assert.equal(code, 130);
      await eventually(LIMIT_MS, "the end of all workers", () => {
        return [...workers().values()].every((pid) => !isAlive(pid)) || undefined;
      });
      await upload;
    });
  },
});

Deno.test({
  ...linux,
  name: "workers that cannot start end all, with their reason",
  async fn() {
    const port = await freePort();
    const args = ["serve", "--workers=2", `--port=${port}`];
    const ended = await penstock([...args, "--database-url=postgres://u@127.0.0.1:1/db"]);
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /PostgreSQL at .* refuses connections/);
  },
});

Deno.test({
  ...linux,
  name: "a port that somebody has is not shared with them",
  async fn() {
    const taken = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
      return new Response();
    });
    const { port } = taken.addr;
    const args = ["serve", "--workers=2", `--port=${port}`];
    const ended = await penstock([...args, "--database-url=postgres://u@127.0.0.1:1/db"]);
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, new RegExp(`cannot listen on 127\\.0\\.0\\.1 port ${port}`));
    await taken.shutdown();
  },
});
