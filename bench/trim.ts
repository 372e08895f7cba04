/**
 * `deno run -A bench/trim.ts [postgres|embedded] [mebibytes]`: what trimming a large stream does to the
 * appends of others. Append latency over HTTP while nothing else happens, and while what was dropped is
 * deleted; and how much of the disk comes back. On `TEST_DATABASE_URL`, or a PostgreSQL of its own.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { openPostgres } from "../src/storage/postgres/postgres.ts";
import { freshDatabase, startPostgres } from "../tests/support/postgres.ts";
import { startServer } from "../tests/support/server.ts";
import { percentile } from "./report/statistics.ts";

const KIND = process.argv[2] ?? "postgres";
const MEBIBYTES = Number(process.argv[3] ?? 1024);
const CONNECTIONS = 16;
const STREAMS = 100;
const WINDOW_MS = 8000;
const PIECE = new Uint8Array(4 << 20).fill(0x78);

await using stack = new AsyncDisposableStack();
const database = await storage();
const node = await startServer({ database });
stack.defer(() => node.kill());
const admin = "url" in database
  ? await openPostgres({ url: database.url, connections: 2, timeoutMs: 60_000 })
  : null;
stack.defer(() => admin?.close() ?? Promise.resolve());

const large = `${node.url}/v1/stream/large`;
await expect(await fetch(large, { method: "PUT" }), 201);
for (let filled = 0; filled < MEBIBYTES; filled += 4) {
  await expect(await post(large, PIECE), 204);
}
for (let n = 0; n < STREAMS; n++) {
  await expect(await fetch(`${node.url}/v1/stream/small/${n}`, { method: "PUT" }), 201);
}
console.log(`${KIND}: a stream of ${MEBIBYTES} MiB, ${await left()}`);
await pause(2000);
await series("warm-up", () => pause(2000));
const before = await series("before", () => pause(WINDOW_MS));
const began = performance.now();
const during = await series("while it is deleted", async () => {
  const answer = await fetch(`${node.url}/v1/stream/__ds/streams/large/trim`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"before":"now"}',
  });
  await expect(answer, 200);
  console.log(`the trim was answered after ${(performance.now() - began).toFixed(1)} ms`);
  if (admin === null) return await pause(WINDOW_MS * 3);
  while (await segmentsLeft() > 1) await pause(100);
  console.log(`deleted after ${((performance.now() - began) / 1000).toFixed(1)} s`);
});
console.log(`p99 while it is deleted, over before: ${(during / before).toFixed(2)}`);
await series("after", () => pause(WINDOW_MS));
await admin?.execute("vacuum penstock.segments");
console.log(`after a vacuum: ${await left()}`);

async function storage(): Promise<{ url: string } | { dataDir: string }> {
  if (KIND === "embedded") {
    const folder = mkdtempSync(join(tmpdir(), "penstock-bench-"));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    return { dataDir: join(folder, "data") };
  }
  const server = await startPostgres();
  stack.defer(() => server.stop());
  const fresh = await freshDatabase(server.url);
  stack.defer(() => fresh.drop());
  return { url: fresh.url };
}

async function segmentsLeft(): Promise<number> {
  const [row] = await admin!.query<{ count: number }>(
    `select count(*) as count from penstock.segments g
     join penstock.streams s on s.id = g.stream_id where s.path = 'large'`,
  );
  return row!.count;
}

async function left(): Promise<string> {
  if (admin === null) return "";
  const [row] = await admin.query<{ size: number }>(
    "select pg_total_relation_size('penstock.segments') as size",
  );
  return `${await segmentsLeft()} segments, ${Math.round(row!.size / 2 ** 20)} MiB on the disk`;
}

function post(url: string, body: BodyInit): Promise<Response> {
  const headers = { "content-type": "application/octet-stream" };
  return fetch(url, { method: "POST", headers, body });
}

async function expect(response: Response, status: number): Promise<void> {
  const text = await response.text();
  if (response.status !== status) throw new Error(`${response.url}: ${response.status} ${text}`);
}

/** Appends of 100 bytes while something happens. Prints the latencies, and returns the p99, ms. */
async function series(what: string, happens: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  let over = false;
  const body = "x".repeat(100);
  const connection = async (index: number) => {
    for (let n = index; !over; n += CONNECTIONS) {
      const began = performance.now();
      await expect(await post(`${node.url}/v1/stream/small/${n % STREAMS}`, body), 204);
      times.push(performance.now() - began);
    }
  };
  const load = Array.from({ length: CONNECTIONS }, (_, index) => connection(index));
  try {
    await happens();
  } finally {
    over = true;
  }
  await Promise.all(load);
  times.sort((a, b) => a - b);
  const [p50, p99] = [percentile(times, 50), percentile(times, 99)];
  console.log(
    `${what}: ${times.length} appends, p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ` +
      `most ${times.at(-1)!.toFixed(1)} ms`,
  );
  return p99;
}
