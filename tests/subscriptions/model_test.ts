/**
 * Random appends, looks, claims, acks, releases, expiries and nodes that die, against a model of
 * section 7: no append stays unwoken, no stale worker moves a cursor, generations only grow. At the
 * level of the statements, so that thousands of steps run, and in any order; a node's death is a
 * step that is left out: a commit without its look, a wake without its delivery.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../src/storage/database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { openPostgres } from "../../src/storage/postgres/postgres.ts";
import { freshDatabase } from "../support/postgres.ts";
import { NAMES, PATHS, World } from "./world.ts";

type Step =
  | { readonly kind: "create" | "append" | "delete"; readonly path: string; readonly look: boolean }
  | { readonly kind: "claim"; readonly name: string }
  | {
    readonly kind: "ack" | "release";
    readonly name: string;
    /** Which of the wakes known: 0 is the latest. */
    readonly age: number;
    readonly done: boolean;
    /** How much of what is there: 1 is all. */
    readonly part: number;
  }
  | { readonly kind: "deliver"; readonly name: string; readonly fails: boolean }
  | { readonly kind: "expire" | "audit" };

const name = fc.constantFrom(...NAMES);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: writeOf("append") },
  { weight: 2, arbitrary: writeOf("create") },
  { weight: 1, arbitrary: writeOf("delete") },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("claim" as const), name }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("ack" as const, "ack" as const, "release" as const),
      name,
      age: fc.constantFrom(0, 0, 0, 1, 2),
      done: fc.boolean(),
      part: fc.constantFrom(0, 0.5, 1, 1),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("deliver" as const), name, fails: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("expire" as const, "audit" as const) }),
  },
);

function writeOf<const K extends "create" | "append" | "delete">(kind: K) {
  const look = fc.integer({ min: 0, max: 3 }).map((n) => n > 0);
  return fc.record({ kind: fc.constant(kind), path: fc.constantFrom(...PATHS), look });
}

async function take(world: World, action: Step): Promise<void> {
  const { store, database } = world;
  const nobody: ReadonlySet<number> = new Set();
  switch (action.kind) {
    case "create": {
      const rows = await database.query<{ id: number }>(
        `with created as (
           insert into penstock.streams (path, content_type) values ($1, 'text/plain')
           on conflict do nothing returning id
         )
         insert into penstock.segments (stream_id, position, data)
         select id, 0, 'ab' from created returning stream_id as id`,
        [action.path],
      );
      if (action.look) await store.issueWakes(rows.map((row) => row.id));
      return await world.check(nobody);
    }
    case "append": {
      const rows = await database.query<{ id: number }>(
        `insert into penstock.segments (stream_id, position, data)
         select id, tail, 'cd' from penstock.stream_states
         where path = $1 and state = 'active' returning stream_id as id`,
        [action.path],
      );
      if (action.look) await store.issueWakes(rows.map((row) => row.id));
      return await world.check(nobody);
    }
    case "delete":
      await database.query(
        "update penstock.streams set state = 'deleted' where path = $1 and state = 'active'",
        [
          action.path,
        ],
      );
      return await world.check(nobody);
    case "claim": {
      const before = (await world.states())[NAMES.indexOf(action.name)]!;
      const claim = await store.claim(action.name, "worker");
      if (before.phase === "claimed") assert.equal(claim.outcome, "already_claimed");
      return await world.check(nobody);
    }
    case "ack":
    case "release":
      return await answerWake(world, action);
    case "deliver": {
      const state = (await world.states())[NAMES.indexOf(action.name)]!;
      if (await store.beginDelivery(state.id, state.generation) !== null) {
        if (action.fails) await store.deliveryFailed(state.id, state.generation);
        else await store.delivered(state.id, state.generation);
      }
      return await world.check(nobody);
    }
    case "expire":
      await world.expireAll();
      return await world.check(nobody);
    case "audit":
      await world.auditRound();
      return await world.check(nobody);
  }
}

/** Only who names the wake in flight, and holds it, is heard. */
async function answerWake(
  world: World,
  action: Extract<Step, { readonly kind: "ack" | "release" }>,
): Promise<void> {
  const state = (await world.states())[NAMES.indexOf(action.name)]!;
  const key = world.known.get(state.id)?.at(-1 - action.age);
  if (key === undefined) return;
  const pull = action.name !== "hook";
  const current = key.wakeId === state.wake_id &&
    (pull ? state.phase === "claimed" : state.phase !== "idle");
  if (action.kind === "release") {
    const result = await world.store.release(key);
    assert.equal(result.outcome, current && state.phase === "claimed" ? "ok" : "fenced");
    return await world.check(new Set());
  }
  const acks = [];
  for (const link of (await world.links()).filter((link) => link.subscription_id === state.id)) {
    const stream = await world.streamAt(link.path);
    // A stream that has not been linked anew yet is no part of what a worker can know.
    if (stream === undefined || stream.id !== link.stream_id) continue;
    const position = Math.floor(link.acked + (stream.tail - link.acked) * action.part);
    const generation = position === 0 ? 0 : stream.id;
    acks.push({ path: link.path, position, generation, id: stream.id });
  }
  const result = await world.store.ack(key, acks, { done: action.done, trusted: false });
  assert.equal(result.outcome, current ? "ok" : "fenced");
  await world.check(current ? new Set([state.id]) : new Set());
  const after = (await world.states())[NAMES.indexOf(action.name)]!;
  if (current && action.done) {
    assert.equal(result.next_generation, after.phase === "idle" ? null : state.generation + 1);
  }
  // As the node does once the ack is committed.
  await world.store.issueWakes(acks.map((ack) => ack.id));
  await world.check(new Set());
}

async function withDatabase(use: (database: Database) => Promise<void>): Promise<void> {
  const fresh = await freshDatabase();
  const database = await openPostgres({ url: fresh.url, connections: 8, timeoutMs: 20_000 });
  try {
    await migrate(database);
    await use(database);
  } finally {
    await database.close();
    await fresh.drop();
  }
}

Deno.test("in any order of steps: no stale worker moves a cursor, and no append stays unwoken", async () => {
  await withDatabase(async (database) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        const world = new World(database);
        await world.begin();
        for (const action of steps) await take(world, action);
        // The audit, and the ends of the leases, make good whatever looks were left out.
        await world.auditRound();
        await world.assertAllWoken();
        await world.expireAll();
        await world.check(new Set());
        await world.assertAllWoken();
        // From rest, the audit alone has to find what was appended.
        await world.settle();
        for (const path of PATHS) await take(world, { kind: "append", path, look: false });
        await world.auditRound();
        await world.assertAllWoken();
      }),
      { numRuns: 60 },
    );
  });
});

Deno.test("all at once on many connections: one claim a generation, and nothing forgotten", async () => {
  await withDatabase(async (database) => {
    const world = new World(database);
    await world.begin();
    const claimed = new Set<string>();
    const random = mulberry(7);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    const worker = async () => {
      for (let turn = 0; turn < 120; turn++) {
        const action = Math.floor(random() * 10);
        const path = pick(PATHS);
        if (action < 4) {
          const rows = await database.query<{ id: number }>(
            `insert into penstock.streams as s (path, content_type) values ($1, 'text/plain')
             on conflict (path) where state <> 'deleted' do update set fork_count = 0 returning id`,
            [path],
          );
          for (const { id } of rows) {
            await database.query(
              "select from penstock.commit_append($1, 0, true, false, false, null, 'x')",
              [id],
            );
          }
          if (random() < 0.8) await world.store.issueWakes(rows.map((row) => row.id));
        } else if (action < 8) {
          const claim = await world.store.claim(pick(["pull", "deep"]), `${turn}`);
          if (claim.outcome !== "claimed") continue;
          const key = { id: claim.id, generation: claim.generation, wakeId: claim.wake_id };
          const what = `${key.id} ${key.generation}`;
          assert.ok(!claimed.has(what), `${what} was claimed twice`);
          claimed.add(what);
          const streams = await world.store.wakeStreams(claim.id);
          const acks = streams.map(({ path, tail: position, tail_generation: generation }) => ({
            ...{ path, position, generation },
          }));
          const result = await world.store.ack(key, acks, { done: true, trusted: true });
          assert.ok(["ok", "fenced", "expired"].includes(result.outcome), result.outcome);
        } else if (action === 8) {
          await world.expireAll();
        } else {
          const report = await world.store.reconcile(5, 0, true);
          if (report !== null) await world.store.issueWakes(report.streamIds);
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    assert.ok(claimed.size > 20, `${claimed.size}`);
    await world.auditRound();
    await world.assertAllWoken();
  });
});

function mulberry(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
