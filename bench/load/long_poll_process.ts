/** One append at a time, and how long until a waiting long-poll, here or on another node, has it. */
import process from "node:process";
import { percentile } from "../report/statistics.ts";
import { BINARY } from "./prepare.ts";
import { type Answer, headerOf, HttpConnection, requestBytes } from "./http_connection.ts";

export interface LongPollTask {
  readonly url: string;
  /** The node that the follower asks. */
  readonly followerUrl: string;
  readonly path: string;
  readonly appends: number;
}

export interface LongPollResult {
  readonly appendP50: number;
  readonly deliveryP50: number;
  readonly deliveryP99: number;
  readonly cpuMicros: number;
}

const WARM_UP = 20;
/** So that the long-poll is surely waiting when the append leaves. */
const SETTLE_MILLIS = 4;

const task = JSON.parse(process.argv[2] ?? "{}") as LongPollTask;
const writer = await HttpConnection.open(task.url);
const follower = await HttpConnection.open(task.followerUrl);
const append = requestBytes({
  ...{ method: "POST", path: task.path, host: new URL(task.url).host, headers: BINARY },
  body: new Uint8Array(100).fill(120),
});

async function timed(answer: Promise<Answer>, since: number): Promise<[Answer, number]> {
  const received = await answer;
  if (received.status !== 200 && received.status !== 204) {
    throw new Error(`an answer with ${received.status}`);
  }
  return [received, performance.now() - since];
}

await writer.send(append);
let offset = headerOf(await writer.receive(), "stream-next-offset");
const acked: number[] = [];
const delivered: number[] = [];
let cpu = process.cpuUsage();
for (let n = -WARM_UP; n < task.appends; n++) {
  if (n === 0) cpu = process.cpuUsage();
  const path = `${task.path}?offset=${offset}&live=long-poll`;
  await follower.send(
    requestBytes({ method: "GET", path, host: new URL(task.followerUrl).host }),
  );
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLIS));
  const since = performance.now();
  await writer.send(append);
  const [ack, delivery] = await Promise.all([
    timed(writer.receive(), since),
    timed(follower.receive(), since),
  ]);
  if (delivery[0].bodyBytes !== 100) {
    throw new Error(`a long-poll brought ${delivery[0].bodyBytes} bytes`);
  }
  offset = headerOf(delivery[0], "stream-next-offset");
  if (n < 0) continue;
  acked.push(ack[1]);
  delivered.push(delivery[1]);
}
const used = process.cpuUsage(cpu);
for (const connection of [writer, follower]) connection.close();
for (const list of [acked, delivered]) list.sort((a, b) => a - b);
const result: LongPollResult = {
  appendP50: percentile(acked, 50),
  deliveryP50: percentile(delivered, 50),
  deliveryP99: percentile(delivered, 99),
  cpuMicros: used.user + used.system,
};
console.log(JSON.stringify(result));
