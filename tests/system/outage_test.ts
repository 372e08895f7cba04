/** The database goes away, in every way a network knows, and comes back. */
// Runs quietly: it measures how late a follower gets its data.
import assert from "node:assert/strict";
import postgres from "postgres";
import { append, createStream, readAll } from "../support/http.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { Proxy } from "./proxy.ts";
import {
  elapse,
  Events,
  eventually,
  expectError,
  expectStatus,
  nextOffset,
  produce,
  serverForThisFile,
  within,
} from "./support.ts";

/** The timeout below, the driver's own half second, and time to say so on a busy machine. */
const ANSWER_MS = 4000;
const RECOVERY_MS = 15_000;

/** Reaches the database directly. */
const a = serverForThisFile("postgres");
/** Reaches it through the proxy. */
let b: RunningServer;
let proxy: Proxy;

Deno.test.beforeAll(async () => {
  proxy = await Proxy.start(a.databaseUrl);
  const args = ["--database-timeout", "1s"];
  b = await startServer({ database: { url: proxy.url }, args });
});
Deno.test.afterAll(async () => {
  await b.kill();
  proxy.stop();
});
// Every test finds the network whole, and the server well.
Deno.test.beforeEach(async () => {
  proxy.set("open");
  await recovers();
});

const atB = (url: string) => b.url + new URL(url).pathname;

async function recovers(): Promise<void> {
  await eventually(RECOVERY_MS, "/ready", async () => {
    const response = await within(ANSWER_MS, "/ready's answer", fetch(`${b.url}/ready`));
    await response.body?.cancel();
    return response.status === 200 ? true : undefined;
  });
}

/** 503, with Retry-After, in time. */
async function expectUnavailable(answer: Promise<Response>, what: string): Promise<void> {
  const response = await within(ANSWER_MS, `${what} during the outage`, answer);
  if (response.status === 503) assert.match(response.headers.get("retry-after") ?? "", /^\d+$/);
  if (response.body === null) assert.equal(response.status, 503, what);
  else assert.equal(await expectError(response, 503), "DATABASE_UNAVAILABLE");
}

/** Everything that needs the database says that it cannot; what does not, answers. */
async function expectOutage(url: string): Promise<void> {
  const headers = { "content-type": "text/plain" };
  const tail = "0000000000000000_0000000000000000";
  await Promise.all([
    expectUnavailable(fetch(url), "GET"),
    expectUnavailable(fetch(url, { method: "HEAD" }), "HEAD"),
    expectUnavailable(fetch(url, { method: "POST", headers, body: "lost?" }), "POST"),
    expectUnavailable(produce(url, { id: "p", epoch: 0, seq: 0 }, "lost?"), "a producer's POST"),
    expectUnavailable(fetch(`${url}-new`, { method: "PUT", headers }), "PUT"),
    expectUnavailable(fetch(`${url}-not`, { method: "DELETE" }), "DELETE"),
    expectUnavailable(fetch(`${url}?offset=${tail}&live=long-poll`), "a long-poll"),
    expectUnavailable(fetch(`${url}?offset=${tail}&live=sse`), "SSE"),
    expectUnavailable(fetch(`${b.url}/ready`), "/ready"),
    fetch(`${b.url}/health`).then((response) => expectStatus(response, 200)),
    fetch(`${b.url}/live`).then((response) => expectStatus(response, 200)),
  ]);
}

/** Writers at node B that never stop; a 503 is an answer, and silence is not. */
class Writers {
  readonly acked: string[] = [];
  readonly #running: Promise<void>[];
  #over = false;

  constructor(url: string, count = 4) {
    this.#running = Array.from({ length: count }, (_, at) => this.#write(url, at));
  }

  async reaches(more: number): Promise<void> {
    const goal = this.acked.length + more;
    await eventually(
      RECOVERY_MS,
      `${more} more acks`,
      () => this.acked.length >= goal || undefined,
    );
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
  }

  async #write(url: string, writer: number): Promise<void> {
    for (let number = 0; !this.#over; number++) {
      const body = `${writer}.${number};`;
      const answer = fetch(url, {
        method: "POST",
        headers: { "content-type": "text/plain" },
        body,
      });
      const response = await within(ANSWER_MS, "an append's answer", answer);
      await response.body?.cancel();
      if (response.status === 204) this.acked.push(body);
      else assert.equal(response.status, 503);
    }
  }
}

function assertAllThere(text: string, acked: readonly string[]): void {
  const parts = text.split(/(?<=;)/);
  const there = new Set(parts);
  assert.equal(there.size, parts.length, "an append is there twice");
  for (const body of acked) assert.ok(there.has(body), `${body} was acked, and is not there`);
}

const outages: [what: string, begin: () => void, end: () => void][] = [
  ["connections are cut and refused", () => proxy.set("refuse"), () => proxy.set("open")],
  ["connections are silent, then answer again", () => proxy.set("silent"), () => {
    proxy.set("open");
  }],
  ["connections are silent for ever, and new ones work", () => {
    proxy.set("silent");
    proxy.stall();
  }, () => proxy.set("open")],
];

for (const [what, begin, end] of outages) {
  Deno.test(`503 in time, nothing acked is lost, and it recovers by itself: ${what}`, async () => {
    const url = atB(await createStream(a.url));
    const quiet = atB(await createStream(a.url));
    const writers = new Writers(url);
    try {
      await writers.reaches(40);
      begin();
      await expectOutage(quiet);
      end();
      await recovers();
      await writers.reaches(40);
    } finally {
      end();
      await writers.stop();
    }
    for (const base of [a.url, b.url]) {
      assertAllThere((await readAll(base + new URL(url).pathname)).text, writers.acked);
    }
    await expectStatus(await fetch(quiet), 200);
  });
}

Deno.test("an outage of a moment is bridged: connections are cut while requests are under way", async () => {
  const url = atB(await createStream(a.url));
  const writers = new Writers(url, 8);
  try {
    for (let cuts = 0; cuts < 5; cuts++) {
      await writers.reaches(30);
      proxy.cut();
    }
    await writers.reaches(30);
  } finally {
    await writers.stop();
  }
  assertAllThere((await readAll(url)).text, writers.acked);
});

Deno.test("a producer that tries again through outages is exactly once and in order", async () => {
  const url = atB(await createStream(a.url));
  for (let seq = 0; seq < 60; seq++) {
    if (seq % 12 === 5) proxy.cut();
    await eventually(RECOVERY_MS, `seq ${seq}`, async () => {
      const response = await produce(url, { id: "p", epoch: 0, seq }, `${seq};`);
      await response.body?.cancel();
      assert.ok([200, 204, 503].includes(response.status), `${response.status}`);
      return response.ok || undefined;
    });
  }
  const expected = Array.from({ length: 60 }, (_, seq) => `${seq};`).join("");
  assert.equal((await readAll(url)).text, expected);
});

/** Backends of this database that listen for wake-ups: one for each node that is well. */
async function listeners(): Promise<number> {
  const sql = postgres(a.databaseUrl, { max: 1 });
  const [row] = await sql`select count(*)::int as count from pg_stat_activity
    where datname = current_database() and query ilike 'listen%'`;
  await sql.end();
  return row!.count;
}

/** Statements on this database that wait for a lock. */
async function lockWaiters(): Promise<number> {
  const sql = postgres(a.databaseUrl, { max: 1 });
  const [row] = await sql`select count(*)::int as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  await sql.end();
  return row!.count;
}

/** Resolves once no more statements come to wait for a lock. */
async function lockQueueSettles(): Promise<void> {
  const counts: number[] = [];
  await eventually(3000, "statements that wait for a lock, and no more of them", async () => {
    counts.push(await lockWaiters());
    const last = counts.slice(-5);
    return last.length === 5 && last.every((count) => count > 0 && count === last[0]) || undefined;
  });
}

/** How long appends at A take to reach this follower on B, half of them at most. */
async function medianDelay(url: string, events: Events): Promise<number> {
  const took: number[] = [];
  for (let at = 0; at < 11; at++) {
    await elapse((at * 83) % 210, "out of step with the polls");
    const end = await append(url, `${at};`);
    const acked = performance.now();
    await events.textUntil(end);
    took.push(performance.now() - acked);
  }
  return took.sort((x, y) => x - y)[5]!;
}

const losses: [what: string, lose: () => Promise<void>][] = [
  ["a long outage", async () => {
    const before = proxy.refused;
    proxy.set("refuse");
    // Long enough for attempts to listen again to have failed.
    await eventually(20_000, "refusals", () => proxy.refused >= before + 8 || undefined);
    proxy.set("open");
  }],
  ["a cut", () => Promise.resolve(proxy.cut())],
];

for (const [what, lose] of losses) {
  Deno.test(`a follower on B lives through ${what}, and LISTEN is in force again`, async () => {
    const url = await createStream(a.url, undefined, { body: "before;" });
    const events = await Events.open(atB(url), "-1");
    await events.textUntil(nextOffset(await fetch(url, { method: "HEAD" })));
    assert.equal(await listeners(), 2);
    await lose();
    const missed = await append(url, "meanwhile;");
    assert.equal(await events.textUntil(missed, RECOVERY_MS), "meanwhile;");
    await recovers();
    await eventually(
      RECOVERY_MS,
      "two listeners",
      async () => await listeners() === 2 || undefined,
    );
    const delay = await medianDelay(url, events);
    assert.ok(delay < 200, `wake-ups took ${delay} ms: only the look each second found them`);
    await events.close();
  });
}

Deno.test("a LISTEN connection that died without a word is noticed and replaced", async () => {
  const url = await createStream(a.url);
  const events = await Events.open(atB(url), "-1");
  proxy.stall();
  await recovers();
  const end = await append(url, "x");
  await events.textUntil(end, RECOVERY_MS);
  await eventually(15_000, "quick wake-ups", async () => {
    return await medianDelay(url, events) < 200 || undefined;
  });
  await events.close();
});

Deno.test("when every connection of the pool has died without a word, others take their place", async () => {
  const own = await Proxy.start(a.databaseUrl);
  const args = ["--database-timeout", "1s", "--database-connections", "2"];
  const node = await startServer({ database: { url: own.url }, args });
  try {
    const read = async (url: string) => {
      const answer = fetch(node.url + new URL(url).pathname);
      const response = await within(ANSWER_MS, "an answer", answer);
      await response.body?.cancel();
      return response.status;
    };
    const large = { contentType: "application/octet-stream", body: new Uint8Array(1 << 20) };
    await eventually(RECOVERY_MS, "two connections, and one that listens", async () => {
      const urls = await Promise.all([0, 1, 2, 3].map(() => createStream(a.url, undefined, large)));
      await Promise.all(urls.map(read));
      return own.connections >= 3 || undefined;
    });
    own.stall();
    const url = await createStream(a.url, undefined, large);
    await eventually(10_000, "200 again", async () => await read(url) === 200 || undefined);
  } finally {
    await node.kill();
    own.stop();
  }
});

Deno.test("connections that are cut at any moment come back at once, each of them", async () => {
  const own = await Proxy.start(a.databaseUrl);
  // Long: whoever has to wait for it is found out.
  const args = ["--database-timeout", "20s"];
  const node = await startServer({ database: { url: own.url }, args });
  try {
    const urls = await Promise.all(Array.from({ length: 20 }, () => createStream(node.url)));
    let over = false;
    const done = urls.map(() => 0);
    const clients = urls.map(async (url, at) => {
      const headers = { "content-type": "text/plain" };
      const post = { method: "POST", headers, body: "x" };
      for (; !over; done[at]!++) {
        const answer = fetch(url, at % 2 === 0 ? post : {});
        const response = await within(ANSWER_MS, "an answer between cuts", answer);
        await response.body?.cancel();
        assert.ok(response.ok || response.status === 503, `${response.status}`);
      }
    });
    const all = Promise.all(clients);
    for (let cuts = 0; cuts < 25; cuts++) {
      // All go on, however long ago the last cut was.
      const goals = done.map((count) => count + 10);
      const reached = () => done.every((count, at) => count >= goals[at]!) || undefined;
      await Promise.race([all, eventually(RECOVERY_MS, "10 answers each", reached)]);
      own.cut();
    }
    over = true;
    await all;
  } finally {
    await node.kill();
    own.stop();
  }
});

Deno.test("who waits behind a statement that takes its whole time waits for no second one", async () => {
  const sql = postgres(a.databaseUrl, { max: 1 });
  const args = ["--database-timeout", "3s"];
  const node = await startServer({ database: { url: a.databaseUrl }, args });
  try {
    const url = await createStream(node.url);
    const headers = { "content-type": "text/plain" };
    const wave = () => [
      fetch(url),
      fetch(url, { method: "HEAD" }),
      fetch(url, { method: "DELETE" }),
      fetch(`${url}-${crypto.randomUUID()}`, { method: "PUT", headers }),
    ];
    await sql.begin(async (transaction) => {
      await transaction`lock table penstock.streams in access exclusive mode`;
      const before = wave();
      await lockQueueSettles();
      before.push(...wave()); // now all lanes of looks are taken
      await lockQueueSettles();
      const took = await Promise.all(
        wave().map(async (answer) => {
          const began = performance.now();
          const response = await within(9000, "an answer", answer);
          await response.body?.cancel();
          assert.equal(response.status, 503);
          return performance.now() - began;
        }),
      );
      // 3000 less the 700 that have gone by; whoever asked after that took 3000 more.
      assert.ok(Math.max(...took) < 3600, `${took} ms`);
      for (const answer of before) await (await answer).body?.cancel();
    });
    await expectStatus(await fetch(url), 200);
  } finally {
    await sql.end();
    await node.kill();
  }
});
