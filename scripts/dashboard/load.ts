/** A load with something of everything, in which a few things go wrong. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import type { TestPostgres } from "../../tests/support/postgres.ts";

/** So few that some are turned away. */
export const MAX_FOLLOWERS = 60;
const STREAMS = 30;
const WRITERS = 8;
const READERS = 4;
const FOLLOWERS = 40;
const LONG_POLLS = 12;
/** Followers that come when there is no room for most of them. */
const CROWD = 30;

export interface LoadOptions {
  readonly url: string;
  /** Where webhooks go: `/ok`, and `/away`, which answers 503. */
  readonly receiver: string;
  readonly postgres: Pick<TestPostgres, "pause" | "resume">;
  readonly seconds: number;
}

export function startLoad({ url, receiver, postgres, seconds }: LoadOptions) {
  const stop = new AbortController();
  const { signal } = stop;
  const base = `${url}/v1/stream`;
  const again = async (work: () => Promise<unknown>, everyMs: number) => {
    while (!signal.aborted) {
      await work().catch(() => {});
      await pause(everyMs * (0.5 + Math.random()), undefined, { signal }).catch(() => {});
    }
  };
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(base + path, { ...init, signal });
    await response.arrayBuffer();
    return response;
  };
  const any = () => `/orders/${Math.floor(Math.random() * STREAMS)}`;
  const json = { "content-type": "application/json" };
  const put = (path: string, body?: unknown, headers: Record<string, string> = json) =>
    ask(path, {
      method: "PUT",
      headers,
      ...body === undefined ? {} : { body: JSON.stringify(body) },
    });
  const write = () => {
    const messages = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, (_, n) => ({
      order: n,
      note: "x".repeat(Math.random() * 300),
    }));
    return ask(any(), { method: "POST", headers: json, body: JSON.stringify(messages) });
  };
  let made = 0;
  const mistakes = [
    () => ask("/no-such-stream"),
    () => ask(any(), { method: "POST", headers: { "content-type": "text/plain" }, body: "x" }),
    () => ask(any(), { method: "POST", headers: json, body: "{" }),
  ];
  const run = async () => {
    const make = async (path: string, body?: unknown) => {
      const { status } = await put(path, body);
      if (status !== 201) throw new Error(`${path}: ${status}`);
    };
    for (let n = 0; n < STREAMS; n++) await make(`/orders/${n}`);
    const webhook = (path: string) => ({
      type: "webhook",
      pattern: "orders/*",
      webhook: { url: receiver + path },
    });
    await make("/__ds/subscriptions/mailer", webhook("/ok"));
    await make("/__ds/subscriptions/archive", webhook("/away"));
    const loops = [
      ...Array.from({ length: WRITERS }, () => again(write, 20)),
      ...Array.from({ length: READERS }, () => again(() => ask(`${any()}?offset=-1`), 60)),
      ...Array.from({ length: LONG_POLLS }, () => again(() => follow("long-poll"), 100)),
      ...Array.from({ length: FOLLOWERS }, () => again(() => follow("sse"), 500)),
      again(() => mistakes[Math.floor(Math.random() * mistakes.length)]!(), 400),
      again(() => put(`/short/${made++}`, [1], { ...json, "stream-ttl": "2" }), 300),
    ];
    // A database that does not answer for a while, and a crowd of followers that stays until the end.
    const incidents = [
      pause(seconds * 450, undefined, { signal }).then(async () => {
        await postgres.pause?.();
        await pause(4000);
        await postgres.resume?.();
      }),
      pause(seconds * 700, undefined, { signal }).then(() =>
        Promise.all(Array.from({ length: CROWD }, () => again(() => follow("sse"), 2000)))
      ),
    ];
    await pause(seconds * 1000);
    stop.abort();
    await Promise.allSettled([...loops, ...incidents]);
  };
  const follow = (mode: "sse" | "long-poll") => ask(`${any()}?offset=now&live=${mode}`);
  return { finished: run() };
}

/** Takes webhooks at `/ok`, and is away at `/away`. */
export async function startReceiver() {
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      const status = request.url === "/ok" ? 200 : 503;
      response.writeHead(status, { "content-type": "application/json" }).end('{"done":true}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

// Requests that the end of the load breaks off are no errors of this program.
process.on("unhandledRejection", (error) => {
  if ((error as Error).name !== "AbortError") throw error;
});
