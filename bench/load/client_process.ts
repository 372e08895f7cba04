/** The upstream project's own benchmark, with its client: a round trip, small and large messages. */
import process from "node:process";
import { DurableStream } from "@durable-streams/client";
import { percentile } from "../report/statistics.ts";
import { freshName, streamPath } from "./prepare.ts";

export interface ClientTask {
  readonly url: string;
  readonly roundTrips: number;
  readonly smallRuns: number;
  readonly largeRuns: number;
}

export interface ClientResult {
  readonly roundTripP50: number;
  readonly roundTripP99: number;
  /** Messages a second, the median run's. */
  readonly small: number;
  readonly large: number;
  readonly messages: number;
  readonly cpuMicros: number;
}

const task = JSON.parse(process.argv[2] ?? "{}") as ClientTask;

function create(): Promise<DurableStream> {
  return DurableStream.create({
    url: task.url + streamPath(freshName("client")),
    contentType: "application/octet-stream",
  });
}

/** Appends, and waits until a long-poll that begins at `offset` has brought it. */
async function roundTrip(stream: DurableStream, offset: string): Promise<string> {
  const response = await stream.stream({ offset, live: "long-poll" });
  return await new Promise((resolve) => {
    const unsubscribe = response.subscribeBytes((chunk) => {
      if (chunk.data.length === 0) return;
      unsubscribe();
      response.cancel();
      resolve(chunk.offset);
    });
  });
}

async function roundTrips(): Promise<number[]> {
  const message = new Uint8Array(100).fill(42);
  const millis: number[] = [];
  for (let n = 0; n < task.roundTrips; n++) {
    const stream = await create();
    const warmUp = roundTrip(stream, "-1");
    await stream.append(message);
    const offset = await warmUp;
    const received = roundTrip(stream, offset);
    const since = performance.now();
    await stream.append(message);
    await received;
    millis.push(performance.now() - since);
    await stream.delete();
  }
  return millis.sort((a, b) => a - b);
}

/** Batches of `concurrency` appends, each waited for, as upstream does it; messages a second. */
async function messages(
  { bytes, count, concurrency }: { bytes: number; count: number; concurrency: number },
): Promise<number> {
  const stream = await create();
  const message = new Uint8Array(bytes).fill(42);
  const begun = performance.now();
  for (let sent = 0; sent < count; sent += concurrency) {
    const batch = Math.min(concurrency, count - sent);
    await Promise.all(Array.from({ length: batch }, () => stream.append(message)));
  }
  const seconds = (performance.now() - begun) / 1000;
  await stream.delete();
  return count / seconds;
}

async function median(runs: number, run: () => Promise<number>): Promise<number> {
  const rates: number[] = [];
  for (let n = 0; n < runs; n++) rates.push(await run());
  return percentile(rates.sort((a, b) => a - b), 50);
}

const SMALL = { bytes: 100, count: 1000, concurrency: 75 };
const LARGE = { bytes: 2 ** 20, count: 50, concurrency: 15 };

await messages({ ...SMALL, count: 150 }); // connects, and warms both ends up
const cpu = process.cpuUsage();
const millis = await roundTrips();
const small = await median(task.smallRuns, () => messages(SMALL));
const large = await median(task.largeRuns, () => messages(LARGE));
const used = process.cpuUsage(cpu);
const result: ClientResult = {
  roundTripP50: percentile(millis, 50),
  roundTripP99: percentile(millis, 99),
  ...{ small, large },
  messages: 2 * task.roundTrips + SMALL.count * task.smallRuns + LARGE.count * task.largeRuns,
  cpuMicros: used.user + used.system,
};
console.log(JSON.stringify(result));
process.exit(0);
