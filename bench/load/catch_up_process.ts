/** Reads a stream from its beginning to its tail, page by page, by so many readers at once. */
import process from "node:process";
import { headerOf, HttpConnection, requestBytes } from "./http_connection.ts";

export interface CatchUpTask {
  readonly url: string;
  readonly path: string;
  readonly readers: number;
}

export interface CatchUpResult {
  readonly bytes: number;
  readonly pages: number;
  readonly seconds: number;
  readonly cpuMicros: number;
}

const task = JSON.parse(process.argv[2] ?? "{}") as CatchUpTask;
const host = new URL(task.url).host;

async function readAll(): Promise<{ bytes: number; pages: number }> {
  const connection = await HttpConnection.open(task.url, 256 * 1024);
  let offset = "-1";
  let bytes = 0;
  for (let pages = 1;; pages++) {
    const path = `${task.path}?offset=${offset}`;
    await connection.send(requestBytes({ method: "GET", path, host }));
    const answer = await connection.receive();
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status}`);
    bytes += answer.bodyBytes;
    const next = headerOf(answer, "stream-next-offset");
    if (headerOf(answer, "stream-up-to-date") !== null || next === null || next === offset) {
      connection.close();
      return { bytes, pages };
    }
    offset = next;
  }
}

const cpu = process.cpuUsage();
const begun = performance.now();
const read = await Promise.all(Array.from({ length: task.readers }, readAll));
const seconds = (performance.now() - begun) / 1000;
const used = process.cpuUsage(cpu);
const result: CatchUpResult = {
  bytes: read.reduce((sum, { bytes }) => sum + bytes, 0),
  pages: read.reduce((sum, { pages }) => sum + pages, 0),
  seconds,
  cpuMicros: used.user + used.system,
};
console.log(JSON.stringify(result));
