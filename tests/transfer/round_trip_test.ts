/** A dump that is loaded and dumped again is the same file, whatever the streams are. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { migrate } from "../../src/storage/migrate.ts";
import { openPglite } from "../../src/storage/pglite/pglite.ts";
import { noise } from "../system/support.ts";
import { startServer } from "../support/server.ts";
import { dumped, emptyDatabase, loaded } from "./support.ts";

type Operation =
  | { kind: "append"; stream: number; bytes: number }
  | { kind: "message"; stream: number; value: unknown }
  | { kind: "produce"; stream: number; producer: string; count: number }
  | { kind: "close"; stream: number }
  | { kind: "delete"; stream: number }
  | { kind: "fork"; stream: number; source: number };

const stream = fc.nat({ max: 5 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constant("append" as const),
    stream,
    bytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 60_000, max: 1_500_000 })),
  }),
  fc.record({ kind: fc.constant("message" as const), stream, value: fc.jsonValue() }),
  fc.record({
    kind: fc.constant("produce" as const),
    stream,
    producer: fc.constantFrom("a", "b", "ü 1"),
    count: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant("close" as const), stream }),
  fc.record({ kind: fc.constant("delete" as const), stream }),
  fc.record({ kind: fc.constant("fork" as const), stream: fc.nat({ max: 9 }), source: stream }),
);

/** Every second stream is JSON; all answers count, refusals too. */
async function perform(base: string, operations: readonly Operation[]): Promise<void> {
  const url = (at: number) => `${base}/s${at}`;
  const typeOf = (at: number) => at % 2 === 0 ? "application/octet-stream" : "application/json";
  const send = async (at: number, method: string, headers = {}, body: BodyInit | null = null) => {
    const response = await fetch(url(at), {
      method,
      headers: { "content-type": typeOf(at), ...headers },
      body,
    });
    await response.body?.cancel();
    assert(response.status < 500, `${method} ${response.status}`);
  };
  for (let at = 0; at < 4; at++) {
    await send(at, "PUT", at === 2 ? { "stream-ttl": "86400" } : {});
  }
  for (const [seed, next] of operations.entries()) {
    const { stream: at } = next;
    const isJson = at % 2 === 1;
    if (next.kind === "append") {
      const bytes = noise(next.bytes, seed);
      await send(at, "POST", {}, isJson ? JSON.stringify([bytes.toBase64()]) : bytes);
    } else if (next.kind === "message") {
      await send(
        at,
        "POST",
        { "stream-seq": String(seed).padStart(4, "0") },
        JSON.stringify([next.value]),
      );
    } else if (next.kind === "produce") {
      for (let seq = 0; seq < next.count; seq++) {
        await send(at, "POST", {
          "producer-id": encodeURIComponent(next.producer),
          "producer-epoch": String(seed),
          "producer-seq": String(seq),
        }, isJson ? "[1.0]" : "x");
      }
    } else if (next.kind === "close") await send(at, "POST", { "stream-closed": "true" });
    else if (next.kind === "delete") await send(at, "DELETE");
    else if (next.kind === "fork") {
      await send(next.stream, "PUT", {
        "content-type": typeOf(next.source),
        "stream-forked-from": new URL(url(next.source)).pathname,
      });
    }
  }
}

async function subscribe(base: string, name: string): Promise<void> {
  const response = await fetch(`${base}/v1/stream/__ds/subscriptions/${name}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ type: "pull-wake", pattern: `${name}/**`, wake_stream: `${name}/s1` }),
  });
  assert(response.status < 300, await response.text());
}

Deno.test("dump, load and dump again give the same file, from PostgreSQL and embedded", async () => {
  await using source = await emptyDatabase();
  const server = await startServer({ database: { url: source.url } });
  const folder = await mkdtemp(join(tmpdir(), "penstock-transfer-"));
  let run = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 30 }), async (operations) => {
        const name = `run${++run}`;
        await perform(`${server.url}/v1/stream/${name}`, operations);
        if (run % 2 === 0) {
          await fetch(`${server.url}/v1/stream/${name}/s1`, {
            method: "PUT",
            headers: { "content-type": "application/json" },
          }).then((response) => response.body?.cancel());
          await subscribe(server.url, name).catch(() => {});
        }
        await using target = await emptyDatabase();
        const whole = run % 3 === 0 ? {} : { prefix: `${name}/` };
        const before = await dumped(source.database, whole);
        const report = await loaded(target.database, before);
        assert(report.loaded > 0);
        const after = await dumped(target.database, whole);
        assert(
          before.equals(after),
          difference(before.toString("latin1"), after.toString("latin1")),
        );
        if (run !== 4) return;
        const embedded = await openPglite({ dataDir: folder });
        try {
          await migrate(embedded);
          await loaded(embedded, before);
          assert(before.equals(await dumped(embedded, whole)), "embedded");
        } finally {
          await embedded.close();
        }
      }),
      { numRuns: 8, endOnFailure: true },
    );
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

Deno.test("what was appended in different hours can still be trimmed by age after a load", async () => {
  await using source = await emptyDatabase();
  await source.database.execute(`
    insert into penstock.streams (path, content_type) values ('log', 'text/plain');
    insert into penstock.segments (stream_id, position, data, appended_at)
    select s.id, p, 'x', timestamptz '2026-01-01 00:20Z' + p * interval '25 minutes'
    from penstock.streams s, generate_series(0, 5) p`);
  const dump = await dumped(source.database);
  await using target = await emptyDatabase();
  await loaded(target.database, dump);
  const segments = await target.database.query<{ position: number; at: string }>(
    `select position, to_char(appended_at at time zone 'UTC', 'HH24:MI') as at
    from penstock.segments order by position`,
  );
  assert.deepEqual([...segments], [
    { position: 0, at: "00:45" },
    { position: 2, at: "01:35" },
    { position: 4, at: "02:25" },
  ]);
  assert(dump.equals(await dumped(target.database)));
});

function difference(one: string, other: string): string {
  const [lines, others] = [one.split("\n"), other.split("\n")];
  const at = lines.findIndex((line, index) => line !== others[index]);
  return `line ${at}:\n${lines[at]?.slice(0, 600)}\n${others[at]?.slice(0, 600)}`;
}
