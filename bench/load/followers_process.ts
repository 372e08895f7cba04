/**
 * Thousands of SSE followers in one process: idle until they are told to `go`, then reading what
 * one appender of the same process, and so of the same clock, sends at a steady rate.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { percentile } from "../report/statistics.ts";
import { TEXT } from "./prepare.ts";
import { HttpConnection, requestBytes } from "./http_connection.ts";

export interface FollowersTask {
  readonly url: string;
  /** `{n}` in it goes around `paths`. */
  readonly path: string;
  readonly paths: number;
  readonly followers: number;
  readonly appendsPerSecond: number;
  readonly seconds: number;
}

export interface FollowersReady {
  readonly followers: number;
}

export interface FanOutResult {
  readonly deliveries: number;
  readonly appends: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
  readonly cpuMicros: number;
}

const MARK = 126; // "~", then seven digits: the number of the append
const DIGITS = 7;
const BODY_BYTES = 100;
const OPENED_AT_ONCE = 64;
const WARM_UP_SECONDS = 1;
const GRACE_MILLIS = 3000;

const task = JSON.parse(process.argv[2] ?? "{}") as FollowersTask;
const host = new URL(task.url).host;
const pathOf = (n: number) => task.path.replace("{n}", String(n % task.paths));

const sentAt: number[] = [];
/** Appends before this one are warm-up. */
let firstCounted = 0;
let latencies: number[] = [];

async function open(n: number): Promise<HttpConnection> {
  const connection = await HttpConnection.open(task.url, 4096);
  const path = `${pathOf(n)}?offset=now&live=sse`;
  await connection.send(requestBytes({ method: "GET", path, host }));
  const { status } = await connection.receiveHead();
  if (status !== 200) throw new Error(`GET ${path}: ${status}`);
  return connection;
}

/** Reads until the connection ends, noting every mark; one that is cut in two is kept for later. */
async function follow(connection: HttpConnection): Promise<void> {
  const mark = new Uint8Array(DIGITS);
  let have = -1; // digits of the mark so far; -1 outside of one
  while (true) {
    const bytes = await connection.read();
    if (bytes.length === 0) throw new Error("a follower was cut off");
    const now = performance.now();
    let at = 0;
    while (at < bytes.length) {
      if (have < 0) {
        const found = bytes.indexOf(MARK, at);
        if (found < 0) break;
        at = found + 1;
        have = 0;
      }
      while (have < DIGITS && at < bytes.length) mark[have++] = bytes[at++] ?? 0;
      if (have < DIGITS) break;
      note(mark, now);
      have = -1;
    }
  }
}

function note(mark: Uint8Array, now: number): void {
  let number = 0;
  for (const digit of mark) number = number * 10 + digit - 48;
  const sent = sentAt[number];
  if (sent !== undefined && number >= firstCounted) latencies.push(now - sent);
}

/** Free connections for appends: each waits for its answer, and another is opened meanwhile. */
const writers: HttpConnection[] = [];

async function send(bytes: Uint8Array): Promise<void> {
  const writer = writers.pop() ?? await HttpConnection.open(task.url);
  await writer.send(bytes);
  const { status } = await writer.receive();
  if (status > 299) throw new Error(`POST: ${status}`);
  writers.push(writer);
}

/** At a fixed pace whatever the answers take: waiting for them would hide a stall. */
async function append(count: number): Promise<void> {
  const begun = performance.now();
  const answers: Promise<void>[] = [];
  for (let n = 0; n < count; n++) {
    const due = begun + n * 1000 / task.appendsPerSecond;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const mark = `~${String(sentAt.length).padStart(DIGITS, "0")}`;
    const body = new TextEncoder().encode(mark.padEnd(BODY_BYTES, "x"));
    const bytes = requestBytes({ method: "POST", path: pathOf(0), host, headers: TEXT, body });
    sentAt.push(performance.now());
    answers.push(send(bytes));
  }
  await Promise.all(answers);
}

async function fanOut(): Promise<FanOutResult> {
  await append(Math.ceil(task.appendsPerSecond * WARM_UP_SECONDS));
  firstCounted = sentAt.length;
  latencies = [];
  const cpu = process.cpuUsage();
  const appends = Math.ceil(task.appendsPerSecond * task.seconds);
  await append(appends);
  const expected = appends * task.followers;
  const limit = performance.now() + GRACE_MILLIS;
  while (latencies.length < expected && performance.now() < limit) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const used = process.cpuUsage(cpu);
  if (latencies.length < expected) {
    throw new Error(`${latencies.length} of ${expected} deliveries arrived`);
  }
  latencies.sort((a, b) => a - b);
  return {
    ...{ deliveries: latencies.length, appends, cpuMicros: used.user + used.system },
    ...{ p50Millis: percentile(latencies, 50), p99Millis: percentile(latencies, 99) },
  };
}

const connections: HttpConnection[] = [];
let opened = 0;
const opener = async () => {
  while (opened < task.followers) connections.push(await open(opened++));
};
await Promise.all(Array.from({ length: OPENED_AT_ONCE }, opener));
for (const connection of connections) void follow(connection);
const ready: FollowersReady = { followers: connections.length };
console.log(JSON.stringify(ready));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "go") console.log(JSON.stringify(await fanOut()));
}
