/** Probe of `@durable-streams/client`: handles, the idempotent producer, and both live modes. */
import assert from "node:assert/strict";
import process from "node:process";
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client";
import { Arrivals, base, killServer, report } from "./steps.mts";

const url = `${base}/client-probe`;
const contentType = "application/json";
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => n + from);
const read = async () => await (await stream<number>({ url, offset: "-1", live: false })).json();

/** As an application does: when the connection breaks, again from the last offset. */
async function follow(live: "long-poll" | "sse", arrivals: Arrivals<number>, offset: string) {
  for (;;) {
    const response = await stream<number>({ url, offset, live });
    response.subscribeJson((batch) => {
      arrivals.add(batch.items);
      offset = batch.offset;
    });
    await response.closed.catch(() => {});
  }
}

/** The producer sends each batch once: sending it again until there is an answer is left to us. */
async function fetchUntilAnswered(...request: Parameters<typeof fetch>): Promise<Response> {
  for (;;) {
    const response = await fetch(...request).catch(() => undefined);
    if (response !== undefined && response.status !== 503) return response;
    await response?.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 20)); // between two attempts
  }
}

const handle = await DurableStream.create({ url, contentType });
report("create");
for (const n of numbers(0, 3)) await handle.append(JSON.stringify(n));
report("append");
assert.deepEqual(await read(), numbers(0, 3));
report("read");

// A process that sends again what it does not know to have arrived: same id, epoch and numbers.
for (let sent = 0; sent < 2; sent++) {
  const again = new IdempotentProducer(handle, "twice", { maxInFlight: 1, maxBatchBytes: 1 });
  for (const n of numbers(3, 10)) again.append(JSON.stringify(n));
  await again.flush();
}
assert.deepEqual(await read(), numbers(0, 10));
report("exactly-once");

const { offset } = await stream({ url, offset: "now", live: false });
const polled = new Arrivals<number>();
const events = new Arrivals<number>();
void follow("long-poll", polled, offset);
void follow("sse", events, offset);
await handle.append("10");
await polled.become([10]);
report("long-poll");
await events.become([10]);
report("sse");

const producer = new IdempotentProducer(handle, "through", {
  maxBatchBytes: 1,
  fetch: fetchUntilAnswered,
});
producer.append("11");
await producer.flush();
const killed = killServer();
for (const n of numbers(12, 20)) producer.append(JSON.stringify(n)); // into the outage
await killed;
await producer.flush();
await handle.append("20");
report("append-after-restart");
assert.deepEqual(await read(), numbers(0, 21));
report("producer-through-restart");
await polled.become(numbers(10, 21));
report("long-poll-resumed");
await events.become(numbers(10, 21));
report("sse-resumed");
process.exit(0);
