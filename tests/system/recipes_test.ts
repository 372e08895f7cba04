/** docs/recipes/: each proxy with its configuration, two nodes behind it, restarted under load. */
import assert from "node:assert/strict";
import { append, createStream, readAll, serverSentEvents } from "../support/http.ts";
import { freshDatabase } from "../support/postgres.ts";
import { type RunningProgram, testWith } from "../support/programs/program.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { exampleOf, haproxy, PROXIES } from "./recipes.ts";
import { elapse, eventually, freePort, nextOffset } from "./support.ts";

const LIMIT_MS = 20_000;
/** What docs/recipes/rolling_restart.md says to wait after a node is ready. */
const CHECKED_MS = 1000;
const PAGE_ORIGIN = "https://app.example.com";

async function withNodes(
  use: (
    nodes: RunningServer[],
    ports: [number, number],
    again: () => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  const database = await freshDatabase();
  const ports: [number, number] = [await freePort(), await freePort()];
  const drain = /--drain-delay (\S+)/.exec(exampleOf("rolling_restart", "sh"))![1]!;
  const start = (port: number) =>
    startServer({
      database,
      args: ["--port", String(port), "--drain-delay", drain, "--cors-origins", PAGE_ORIGIN],
    });
  const nodes = await Promise.all(ports.map(start));
  /** Restarts all nodes in turn, as the recipe says. */
  const again = async () => {
    for (const [at, port] of ports.entries()) {
      assert.equal(await nodes[at]!.stop(), 0);
      nodes[at] = await start(port);
      await isReady(nodes[at]!.url);
      await elapse(CHECKED_MS, "the proxy's next check of the node");
    }
  };
  try {
    await use(nodes, ports, again);
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
    await database.drop();
  }
}

function isReady(url: string): Promise<unknown> {
  return eventually(LIMIT_MS, "ready", async () => {
    const response = await fetch(`${url}/ready`);
    return await response.text() === `{"status":"ready"}` || undefined;
  });
}

/** Milliseconds from an append to its event, the slowest of three. */
async function eventDelay(url: string): Promise<number> {
  const following = new AbortController();
  const response = await fetch(`${url}?offset=now&live=sse`, { signal: following.signal });
  const events = serverSentEvents(response);
  assert.equal((await events.next()).value?.event, "control");
  let slowest = 0;
  for (const text of ["one", "two", "three"]) {
    const began = performance.now();
    await append(url, text);
    for (let data = ""; !data.includes(text);) data = (await events.next()).value?.data ?? "";
    slowest = Math.max(slowest, performance.now() - began);
  }
  following.abort();
  return slowest;
}

async function assertPassedOn(proxy: RunningProgram): Promise<void> {
  const created = await fetch(`${proxy.url}/v1/stream/created`, {
    method: "PUT",
    headers: { "content-type": "text/plain" },
    body: "first",
  });
  await created.body?.cancel();
  assert.equal(created.headers.get("location"), `${proxy.url}/v1/stream/created`);
  const url = await createStream(proxy.url);
  assert(await eventDelay(url) < 10_000);
  const first = await fetch(`${url}?offset=-1`);
  await first.body?.cancel();
  const poll = fetch(`${url}?offset=${nextOffset(first)}&live=long-poll`);
  await append(url, "polled");
  assert.equal(await (await poll).text(), "polled");

  const large = new Uint8Array(12 << 20).fill(120);
  await append(url, large);
  assert.equal((await readAll(url)).bytes.length, "onetwothreepolled".length + large.length);
  const refused = await fetch(url, {
    method: "POST",
    headers: { "content-type": "text/plain", origin: PAGE_ORIGIN },
    body: new Uint8Array((16 << 20) + 1),
  });
  assert.equal(refused.status, 413);
  assert.equal(refused.headers.get("access-control-allow-origin"), PAGE_ORIGIN);
  assert.match(await refused.text(), /^\{"error":/);

  assert.equal(await (await fetch(`${proxy.url}/ready`)).text(), `{"status":"ready"}`);
  assert.equal(await (await fetch(`${proxy.url}/health`)).text(), `{"status":"ok"}`);
  const other = await fetch(`${proxy.url}/other`);
  await other.body?.cancel();
  assert([403, 404].includes(other.status), String(other.status));
}

/** Appends and reads without retries until it is ended; all of them have to succeed. */
function startLoad(base: string, url: string, { producers }: { readonly producers: boolean }) {
  let over = false;
  const acked: string[] = [];
  const failures: string[] = [];
  let reads = 0;
  const check = async (what: string, request: Promise<Response>, statuses: readonly number[]) => {
    try {
      const response = await request;
      const text = await response.text();
      if (statuses.includes(response.status)) return true;
      failures.push(`${what}: ${response.status} ${text}`);
    } catch (error) {
      failures.push(`${what}: ${error}`);
    }
    return false;
  };
  const writer = async (name: number) => {
    for (let n = 0; !over; n++) {
      const body = `${name}.${n};`;
      const headers = { "content-type": "text/plain", ...producers ? producer(name, n) : {} };
      // A producer's append is answered 200, and 204 where it had been stored before.
      const statuses = producers ? [200, 204] : [204];
      if (await check("append", fetch(url, { method: "POST", headers, body }), statuses)) {
        acked.push(body);
      }
    }
  };
  const reader = async () => {
    for (; !over; reads++) await check("read", fetch(`${base}?offset=-1`), [200]);
  };
  const running = Promise.all([writer(0), writer(1), reader(), reader()]);
  return {
    async end() {
      over = true;
      await running;
      return { acked, failures, reads };
    },
  };
}

function producer(name: number, seq: number): Record<string, string> {
  return { "producer-id": `writer-${name}`, "producer-epoch": "0", "producer-seq": String(seq) };
}

for (const [name, start] of Object.entries(PROXIES)) {
  testWith([name], `docs/recipes/${name}.md: two nodes, restarted under load`, async () => {
    await withNodes(async (_, ports, again) => {
      await using proxy = await start(ports);
      await isReady(proxy.url);
      await assertPassedOn(proxy);
      const base = await createStream(proxy.url, "base", { body: "here" });
      const url = await createStream(proxy.url, "appended");
      // docs/recipes/nginx.md: it sends nothing twice but what a producer may send twice.
      const load = startLoad(base, url, { producers: name === "nginx" });
      await again();
      const { acked, failures, reads } = await load.end();
      console.log(`${name}: ${acked.length} appends, ${reads} reads, ${failures.length} failures`);
      assert.deepEqual([...new Set(failures)].slice(0, 5), []);
      assert(acked.length > 100);
      const stored = (await readAll(url)).text.split(";").slice(0, -1).map((text) => `${text};`);
      assert.deepEqual(stored.toSorted(), acked.toSorted());
    });
  });
}

testWith(["haproxy"], "HAProxy delays events unless http-no-delay is set", async () => {
  await withNodes(async (_, ports) => {
    const delays: number[] = [];
    for (const changed of [{}, { "option http-no-delay": "" }]) {
      await using proxy = await haproxy(ports, changed);
      await isReady(proxy.url);
      delays.push(await eventDelay(await createStream(proxy.url, `s${delays.length}`)));
    }
    console.log(
      `an event takes ${delays[0]!.toFixed(1)} ms, without it ${delays[1]!.toFixed(1)} ms`,
    );
    assert(delays[0]! < delays[1]!, String(delays));
  });
});
