/** What queues learn from a load, and which appends it may answer. The database is a stand-in. */
import assert from "node:assert/strict";
import type { Database } from "../../../src/storage/database.ts";
import { QueueLoader } from "../../../src/streams/append/queue_loader.ts";
import type { StreamQueue } from "../../../src/streams/append/stream_queue.ts";
import { StateLoader } from "../../../src/streams/state_loader.ts";
import { addTo, appendOf, queueOf, streamOf } from "./appends.ts";

interface Statement {
  readonly parameters: readonly string[];
  answer(rows: unknown[]): void;
  fail(error: Error): void;
}

function loading() {
  const statements: Statement[] = [];
  let onStatement = () => {};
  const ask = (_statement: string, parameters: readonly string[]) =>
    new Promise((answer, fail) => {
      statements.push({ parameters, answer, fail });
      onStatement();
    });
  const database = { concurrency: 4, query: ask, hedged: ask } as unknown as Database;
  const loads: (readonly StreamQueue[])[] = [];
  let onLoad = () => {};
  const loader = new QueueLoader({
    database,
    stateLoader: new StateLoader(database),
    producerLimit: null,
    onLoaded: (queues) => {
      loads.push(queues);
      onLoad();
    },
  });
  const asked = async (count: number) => {
    while (statements.length < count) {
      await new Promise<void>((resolve) => onStatement = resolve);
    }
    return statements[count - 1]!;
  };
  const loaded = async (count: number) => {
    while (loads.length < count) await new Promise<void>((resolve) => onLoad = resolve);
    return loads[count - 1]!;
  };
  return { loader, asked, loaded };
}

const rowOf = (path: string, parts = {}) => ({
  ...{
    id: 7,
    path,
    content_type: "text/plain",
    state: "active" as const,
    closed: false,
    tail: 12,
  },
  ...{ last_seq: null, source_id: null, fork_count: 0, expired: false, renews_ttl: false },
  ...parts,
});

Deno.test("QueueLoader loads the states of all enqueued queues in one query", async () => {
  const { loader, asked, loaded } = loading();
  const queues = ["a", "b"].map((path) => Object.assign(queueOf(null, appendOf("x")), { path }));
  for (const queue of queues) loader.enqueue(queue);
  assert.deepEqual(queues.map(({ state }) => state), ["awaiting_load", "awaiting_load"]);
  const statement = await asked(1);
  assert.deepEqual(statement.parameters, ['{"a","b"}']);
  assert.deepEqual(queues.map(({ state }) => state), ["loading", "loading"]);
  statement.answer([rowOf("b", { id: 2 }), rowOf("a", { id: 1 })]);
  assert.deepEqual(await loaded(1), queues);
  assert.deepEqual(queues.map(({ stream }) => stream?.id), [1, 2]);
  assert.ok(queues.every((queue) => queue.loaded && queue.waiting.length === 1));
});

Deno.test("QueueLoader refuses the appends that waited before the query, and no later ones", async () => {
  const { loader, asked, loaded } = loading();
  const [before, later] = [appendOf("x"), appendOf("x")];
  const queue = queueOf(null, before);
  loader.enqueue(queue);
  const statement = await asked(1);
  addTo(queue, later);
  statement.answer([]);
  await loaded(1);
  assert.deepEqual(before.outcome, { kind: "not_found" });
  assert.equal(later.outcome, undefined);
  assert.deepEqual(queue.waiting, [later]);
  assert.equal(queue.stream, null);
});

Deno.test("QueueLoader refuses appends to a stream that is deleted but still read by forks", async () => {
  const { loader, asked, loaded } = loading();
  const append = appendOf("x");
  const queue = queueOf(null, append);
  loader.enqueue(queue);
  (await asked(1)).answer([rowOf(queue.path, { state: "soft_deleted", fork_count: 1 })]);
  await loaded(1);
  assert.deepEqual(append.outcome, { kind: "gone" });
});

Deno.test("QueueLoader loads the producers that are claimed, and nothing that is known", async () => {
  const { loader, asked, loaded } = loading();
  const claims = ["p", "known", "q"].map((id) =>
    appendOf("x", { producer: { id, epoch: 0, seq: 0 } })
  );
  const queue = queueOf(streamOf({ id: 7 }), ...claims);
  queue.setProducer("known", null);
  loader.enqueue(queue);
  const statement = await asked(1);
  assert.deepEqual(statement.parameters, ["{7,7}", '{"p","q"}']);
  const stored = { epoch: 3, last_seq: 9, closed_stream: false };
  statement.answer([{ stream_id: 7, producer_id: "q", ...stored }]);
  await loaded(1);
  assert.ok(queue.loaded);
  assert.equal(queue.producers.get("p"), null);
  assert.deepEqual(queue.producers.get("q"), { epoch: 3, lastSeq: 9, closedStream: false });
});

Deno.test("QueueLoader fails all that waits when the load fails, and goes on", async () => {
  const { loader, asked, loaded } = loading();
  const [before, later] = [appendOf("x"), appendOf("x")];
  const queue = queueOf(null, before);
  loader.enqueue(queue);
  const statement = await asked(1);
  addTo(queue, later);
  const next = queueOf(streamOf({ id: 8 }), appendOf("x"));
  next.invalidate();
  loader.enqueue(next);
  statement.fail(new Error("the database is away"));
  await loaded(1);
  for (const append of [before, later]) assert.match(String(append.error), /is away/);
  assert.deepEqual(queue.waiting, []);
  (await asked(2)).answer([rowOf(next.path, { id: 8 })]);
  assert.deepEqual(await loaded(2), [next]);
  assert.ok(next.loaded);
});
