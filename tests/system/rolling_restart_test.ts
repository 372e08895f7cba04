/** All nodes are replaced in turn, under load, behind a balancer that knows which node is draining. */
import assert from "node:assert/strict";
import net from "node:net";
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client";
import { freshDatabase } from "../support/postgres.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import {
  fetchUntilAnswered,
  followThroughErrors,
  type Message,
  numbers,
  Received,
} from "./client_support.ts";
import { within } from "./support.ts";

const NODES = 3;

/** Gives each new connection to the next node; those that are open stay where they are. */
class Balancer {
  readonly nodes = new Set<RunningServer>();
  readonly #server = net.createServer((client) => this.#forward(client));
  #next = 0;

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
  }

  #forward(client: net.Socket): void {
    const nodes = [...this.nodes];
    const node = nodes[this.#next++ % nodes.length]!;
    const upstream = net.connect(Number(new URL(node.url).port), "127.0.0.1");
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      from.pipe(to);
      from.on("error", () => to.destroy());
    }
  }
}

Deno.test("a rolling restart under load loses, doubles and fails nothing", async () => {
  const database = await freshDatabase();
  const start = () =>
    startServer({ database: { url: database.url }, args: ["--drain-delay", "500ms"] });
  const balancer = new Balancer();
  for (const node of await Promise.all(Array.from({ length: NODES }, start))) {
    balancer.nodes.add(node);
  }
  try {
    const url = `${await balancer.listen()}/v1/stream/rolling`;
    const handle = await DurableStream.create({ url, contentType: "application/json" });
    const refused: number[] = [];
    const errors: Error[] = [];
    const producer = new IdempotentProducer(handle, "producer", {
      lingerMs: 1,
      maxBatchBytes: 64,
      fetch: (async (...request: Parameters<typeof fetch>) => {
        const response = await fetchUntilAnswered(...request);
        // 409: pipelined requests have overtaken one another, which the producer mends.
        if (!response.ok && response.status !== 409) refused.push(response.status);
        return response;
      }) as typeof fetch,
      onError: (error) => errors.push(error),
    });
    const followers = (["long-poll", "sse"] as const).map((live) => {
      const received = new Received();
      return { received, following: followThroughErrors(url, live, received) };
    });

    let written = 0;
    for (const old of [...balancer.nodes]) {
      for (let step = 0; step < 2; step++) {
        for (const message of numbers(written, written + 50)) {
          producer.append(JSON.stringify(message));
        }
        written += 50;
        // In the middle of the second fifty.
        if (step === 0) await within(20_000, "the flush", producer.flush());
      }
      balancer.nodes.add(await start());
      balancer.nodes.delete(old);
      assert.equal(await within(20_000, "a node's end", old.stop()), 0);
    }
    await within(20_000, "the flush", producer.flush());
    assert.deepEqual(errors, []);
    assert.deepEqual(refused, []);
    for (const { received } of followers) await received.reaches(written);
    await within(5000, "the close", producer.close());
    for (const { received, following } of followers) {
      await within(10_000, "a follower's end", following);
      assert.deepEqual(received.items, numbers(0, written));
    }
    const whole = await stream<Message>({ url, offset: "-1", live: false });
    assert.deepEqual(await whole.json(), numbers(0, written));
  } finally {
    balancer.close();
    await Promise.all([...balancer.nodes].map((node) => node.kill()));
    await database.drop();
  }
});
