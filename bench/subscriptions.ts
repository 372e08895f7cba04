/**
 * `deno run -A bench/subscriptions.ts [subscriptions] [streams]`: what many glob subscriptions cost.
 * Append latency over HTTP with none of them and with all of them, to streams that match nothing and
 * to streams that do; and the time of `issue_wakes`, which matches, by itself. On `TEST_DATABASE_URL`, or a
 * PostgreSQL of its own.
 */
import process from "node:process";
import { migrate } from "../src/storage/migrate.ts";
import { openPostgres } from "../src/storage/postgres/postgres.ts";
import { parseGlob } from "../src/protocol/glob.ts";
import { SubscriptionStore } from "../src/subscriptions/store.ts";
import { freshDatabase, startPostgres } from "../tests/support/postgres.ts";
import { startServer } from "../tests/support/server.ts";
import { percentile } from "./report/statistics.ts";

const SUBSCRIPTIONS = Number(process.argv[2] ?? 10_000);
const STREAMS = Number(process.argv[3] ?? 100_000);
const CONNECTIONS = 16;
const APPENDS = 12_000;
/** Streams appended to: as many for each series. */
const HOT = 200;

const server = await startPostgres();
const fresh = await freshDatabase(server.url);
const database = await openPostgres({ url: fresh.url, connections: 4, timeoutMs: 60_000 });
try {
  await migrate(database);
  const store = new SubscriptionStore(database);
  await database.query(
    `insert into penstock.streams (path, content_type)
     select 'team-' || n % $1::int || '/events/' || n, 'text/plain'
     from generate_series(1, $2::int) n`,
    [SUBSCRIPTIONS, STREAMS - HOT],
  );
  await database.query(
    `insert into penstock.streams (path, content_type)
     select 'plain/' || n, 'text/plain' from generate_series(1, $1::int) n`,
    [HOT],
  );
  await database.execute("delete from penstock.new_streams; analyze penstock.streams");

  const none = await series("plain streams, no subscriptions", (n) => `plain/${1 + n % HOT}`);

  const began = performance.now();
  for (let n = 0; n < SUBSCRIPTIONS; n++) {
    const glob = parseGlob(n % 2 === 0 ? `team-${n}/*/*` : `team-${n}/**`);
    if (typeof glob === "string") throw new Error(glob);
    await store.create(`sub-${n}`, {
      glob,
      streams: [],
      delivery: { type: "pull-wake", wakeStream: "no/such/stream" },
      leaseTtlMs: 30_000,
      description: null,
    }, String(n));
  }
  const each = (performance.now() - began) / SUBSCRIPTIONS;
  await database.execute("analyze");
  console.log(`${SUBSCRIPTIONS} subscriptions made, ${each.toFixed(2)} ms each`);

  const all = await series("plain streams, all subscriptions", (n) => `plain/${1 + n % HOT}`);
  const ratio = (all / none).toFixed(2);
  console.log(`median with all, over the median with none: ${ratio}`);
  await series("matched streams", (n) => `team-${1 + n % HOT}/events/${1 + n % HOT}`);

  const ids = async (like: string) =>
    (await database.query<{ id: number }>(
      "select id from penstock.streams where path like $1 limit 1000",
      [like],
    )).map((row) => row.id);
  const plain = await ids("plain/%");
  await issues("wakes of 1 stream that matches nothing", () => plain.slice(0, 1));
  await issues("wakes of 100 streams that match nothing", () => plain.slice(0, 100));
  const woken = await ids("team-1_/%");
  await issues("wakes of 1 matched stream, its wake in flight", () => woken.slice(0, 1));
  const born = await database.query<{ id: number }>(
    `with born as (
       insert into penstock.streams (path, content_type)
       select 'team-' || n % $1::int || '/events/new/' || n, 'text/plain'
       from generate_series(1, 200) n returning id
     )
     insert into penstock.segments (stream_id, position, data)
     select id, 0, 'x' from born returning stream_id as id`,
    [SUBSCRIPTIONS],
  );
  await issues(`wakes of 1 new stream, matched with ${SUBSCRIPTIONS} patterns`, () => {
    return born.splice(0, 1).map((row) => row.id);
  });
  const round = performance.now();
  let slices = 0;
  for (let wrapped = false; !wrapped; slices++) {
    wrapped = (await store.reconcile(10_000, 0, true))?.wrapped ?? false;
  }
  const took = performance.now() - round;
  console.log(`a round of the reconciler: ${slices} slices, ${(took / slices).toFixed(1)} ms each`);
} finally {
  await database.close();
  await fresh.drop();
  await server.stop();
}

/** Appends over HTTP; prints and returns the median, milliseconds. */
async function series(what: string, pathOf: (n: number) => string): Promise<number> {
  const node = await startServer({ database: fresh, args: ["--log-level", "info"] });
  const times: number[] = [];
  let next = 0;
  const warm = APPENDS / 6;
  const connection = async () => {
    for (let n = next++; n < APPENDS + warm; n = next++) {
      const began = performance.now();
      const response = await fetch(`${node.url}/v1/stream/${pathOf(n)}`, {
        method: "POST",
        headers: { "content-type": "text/plain" },
        body: "x".repeat(100),
      });
      await response.body?.cancel();
      if (response.status !== 204) throw new Error(`${pathOf(n)}: ${response.status}`);
      if (n >= warm) times.push(performance.now() - began);
    }
  };
  try {
    await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  } finally {
    await node.kill();
  }
  return print(what, times);
}

async function issues(what: string, idsOf: () => number[]): Promise<void> {
  const times: number[] = [];
  const store = new SubscriptionStore(database);
  for (let n = 0; n < 200; n++) {
    const ids = idsOf();
    const began = performance.now();
    await store.issueWakes(ids);
    times.push(performance.now() - began);
  }
  print(what, times);
}

function print(what: string, times: number[]): number {
  times.sort((a, b) => a - b);
  const [p50, p99] = [percentile(times, 50), percentile(times, 99)];
  console.log(`${what}: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`);
  return p50;
}
