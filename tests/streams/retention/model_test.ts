/**
 * Trimming against a model: forks, followers, producers and subscriptions, on nodes that have what was
 * dropped in their caches and on one that has nothing, while what was dropped is deleted and what is
 * left is merged.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Refused } from "../../../src/errors.ts";
import type { Database } from "../../../src/storage/database.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { openPostgres } from "../../../src/storage/postgres/postgres.ts";
import type { Follower } from "../../../src/streams/follow/follower.ts";
import { Compaction } from "../../../src/streams/lifecycle/compaction.ts";
import { sweep } from "../../../src/streams/lifecycle/sweep.ts";
import { offsetAt } from "../../../src/streams/read/fork_chain.ts";
import { Retentions } from "../../../src/streams/retention/retention.ts";
import { parseRetentionRules } from "../../../src/streams/retention/rules.ts";
import { Streams } from "../../../src/streams/streams.ts";
import { freshDatabase } from "../../support/postgres.ts";
import { type Step, steps } from "./steps.ts";

const JSON_TYPE = "application/json";
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

interface Message {
  readonly at: number;
  readonly end: number;
  readonly stored: string;
}

/** A stream as the test knows it. */
class Model {
  alive = true;
  earliest = 0;
  messages: Message[] = [];
  nextSeq = 0;
  /** Of the subscription. */
  acked = 0;
  readonly followers: { readonly follower: Follower; at: number }[] = [];

  constructor(readonly path: string, readonly source: Model | null) {}

  get tail(): number {
    return this.messages.at(-1)?.end ?? 0;
  }

  get boundaries(): number[] {
    return [0, ...this.messages.map(({ end }) => end)];
  }

  textFrom(position: number): string {
    return this.messages.filter(({ at }) => at >= position).map(({ stored }) => stored).join("");
  }
}

function pick<T>(items: readonly T[], where: number): T {
  return items[Math.min(items.length - 1, Math.floor(where * items.length))]!;
}

class Run {
  readonly #database: Database;
  readonly #nodes: readonly Streams[];
  readonly #prefix: string;
  readonly #models: Model[] = [];
  #turn = 0;
  #subscription = 0;
  #forks = 0;

  constructor(database: Database, nodes: readonly Streams[], prefix: string) {
    this.#database = database;
    this.#nodes = nodes;
    this.#prefix = prefix;
  }

  /** Each step is another node's. */
  get #node(): Streams {
    return this.#nodes[this.#turn++ % this.#nodes.length]!;
  }

  async start(): Promise<void> {
    // A run that has failed leaves things behind, and is followed by those that shrink it.
    await this.#database.execute(`truncate penstock.streams, penstock.segments, penstock.trims,
      penstock.subscriptions, penstock.subscription_links, penstock.new_streams`);
    for (const name of ["a", "b"]) {
      const model = new Model(`${this.#prefix}/${name}`, null);
      const { kind } = await this.#node.create({
        ...{ path: model.path, contentType: JSON_TYPE, ttlSeconds: null, expiresAtMs: null },
        ...{ closed: false, body: new Uint8Array(0), fork: null },
      });
      assert.equal(kind, "created");
      this.#models.push(model);
    }
    const [row] = await this.#database.query<{ id: number }>(
      `select id from penstock.create_subscription($1, 'pull-wake', null, null, null, null, null,
        'wakes', 60000, null, 'hash', array[$2, $3])`,
      [this.#prefix, ...this.#models.map(({ path }) => path)],
    );
    this.#subscription = row!.id;
  }

  async step(stream: number, step: Step): Promise<void> {
    const model = this.#models[stream % this.#models.length]!;
    if (!model.alive) return;
    switch (step.kind) {
      case "append":
        return await this.#append(model, step.size, step.count);
      case "trim":
        return await this.#trim(model, pick(model.boundaries, step.where));
      case "fork":
        return await this.#fork(model, pick(model.boundaries, step.where));
      case "follow":
        return await this.#follow(model, pick(model.boundaries, step.where));
      case "ack":
        return await this.#ack(model, pick(model.boundaries, step.where));
      case "go_on":
        for (const each of this.#models) await this.#goOn(each);
        return;
      case "repeat":
        return await this.#repeat(model);
      case "delete":
        return await this.#delete(model);
      case "maintain":
        return await this.#maintain();
      case "retain":
        return await this.#retain(step.bytes);
    }
  }

  async #append(model: Model, size: number, count: number): Promise<void> {
    const messages = Array.from({ length: count }, (_, at) => {
      const letter = String.fromCharCode(97 + (model.nextSeq * 5 + at) % 26);
      return JSON.stringify(letter.repeat(1 + Math.floor(size / (at + 1))));
    });
    const outcome = await this.#produce(model, messages.join(","), model.nextSeq++);
    assert.equal(outcome.duplicate, false);
    for (const message of messages) {
      const stored = `${message}\x1e`;
      model.messages.push({ at: model.tail, end: model.tail + stored.length, stored });
    }
    assert.equal(outcome.tail, model.tail);
  }

  async #produce(model: Model, messages: string, seq: number) {
    const outcome = await this.#node.append(model.path, {
      ...{ contentType: JSON_TYPE, body: bytesOf(`[${messages}]`), closes: false, streamSeq: null },
      producer: { id: "p", epoch: 0, seq },
    });
    assert.ok(outcome.kind === "appended", outcome.kind);
    return outcome;
  }

  /** What was appended is a duplicate, though its bytes may have been dropped. */
  async #repeat(model: Model): Promise<void> {
    if (model.nextSeq === 0) return;
    const outcome = await this.#produce(model, '"again"', model.nextSeq - 1);
    assert.deepEqual([outcome.duplicate, outcome.tail], [true, model.tail]);
  }

  async #trim(model: Model, position: number): Promise<void> {
    const stream = await this.#node.inspect(model.path);
    const before = { kind: "position" as const, ...offsetAt(stream, position) };
    const trimmed = await this.#node.trim(model.path, before);
    model.earliest = Math.max(model.earliest, position);
    assert.equal(trimmed.earliest, model.earliest);
    await this.#check(model);
  }

  async #fork(model: Model, position: number): Promise<void> {
    if (this.#models.length > 6) return;
    const path = `${this.#prefix}/fork-${this.#forks++}`;
    const source = await this.#node.inspect(model.path);
    const outcome = await this.#node.create({
      ...{ path, contentType: JSON_TYPE, ttlSeconds: null, expiresAtMs: null, closed: false },
      body: new Uint8Array(0),
      fork: { sourcePath: model.path, anchor: offsetAt(source, position), subOffset: 0 },
    });
    assert.equal(outcome.kind, position < model.earliest ? "trimmed" : "created");
    if (outcome.kind !== "created") return;
    const fork = new Model(path, model);
    fork.messages = model.messages.filter(({ end }) => end <= position);
    fork.earliest = model.earliest;
    this.#models.push(fork);
    await this.#check(fork);
  }

  async #follow(model: Model, at: number): Promise<void> {
    if (at < model.earliest || model.followers.length > 3) return;
    const node = this.#node;
    model.followers.push({ follower: node.follow(await node.open(model.path), 20_000), at });
  }

  /** A follower gets what comes next, or is told that it was dropped; never anything else. */
  async #goOn(model: Model): Promise<void> {
    if (!model.alive) return;
    for (const each of [...model.followers]) {
      try {
        const page = await each.follower.page(each.at);
        assert.ok(model.textFrom(each.at).startsWith(textOf(page.bytes)), "a follower's gap");
        each.at = page.end;
        page.release?.();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        assert.equal(error.refusal.kind, "trimmed");
        assert.ok(each.at < model.earliest, "a follower that was not behind was refused");
        each.follower.unsubscribe();
        model.followers.splice(model.followers.indexOf(each), 1);
      }
    }
  }

  async #ack(model: Model, position: number): Promise<void> {
    if (model.source !== null) return;
    await this.#checkCursors();
    const { id, wake_id, generation, outcome } = await this.#claim();
    if (outcome !== "claimed") return;
    const stream = await this.#node.inspect(model.path);
    const [acked] = await this.#database.query<{ outcome: string }>(
      `select outcome from penstock.ack_wake($1, $2, $3, array[$4], array[$5]::bigint[],
        array[$6]::bigint[], true, false)`,
      [id, generation, wake_id, model.path, position, offsetAt(stream, position).generation],
    );
    // What the worker had before it was dropped, it may say so.
    assert.equal(acked!.outcome, position >= model.acked ? "ok" : "invalid_offset");
    if (position >= model.acked) model.acked = position;
    else {
      await this.#database.query("select penstock.release_wake($1, $2, $3)", [
        ...[id, generation, wake_id],
      ]);
    }
    await this.#checkCursors();
  }

  async #claim() {
    const [row] = await this.#database.query<
      { outcome: string; id: number; generation: number; wake_id: string }
    >("select * from penstock.claim_wake($1, 'worker')", [this.#prefix]);
    return row!;
  }

  /** Cursors that point into what was dropped stand at the earliest, and say where they were. */
  async #checkCursors(): Promise<void> {
    await this.#database.query("select penstock.mark_pending($1)", [this.#subscription]);
    const rows = await this.#database.query<
      { path: string; acked: number; tail: number; dropped: number | null }
    >("select path, acked, tail, dropped from penstock.wake_streams($1)", [this.#subscription]);
    const seen = new Map(rows.map((row) => [row.path, row]));
    for (const model of this.#models) {
      if (model.source !== null || !model.alive) continue;
      const { acked, earliest } = model;
      const row = seen.get(model.path)!;
      assert.deepEqual({ ...row }, {
        path: model.path,
        acked: Math.max(acked, earliest),
        tail: model.tail,
        dropped: acked < earliest ? acked : null,
      });
    }
    const [pending] = await this.#database.query<{ any: boolean }>(
      "select penstock.has_pending($1) as any",
      [this.#subscription],
    );
    assert.equal(
      pending!.any,
      this.#models.some((model) =>
        model.source === null && model.alive && model.tail > Math.max(model.acked, model.earliest)
      ),
    );
  }

  async #delete(model: Model): Promise<void> {
    assert.equal(await this.#node.delete(model.path), null);
    model.alive = false;
    for (const { follower } of model.followers) follower.unsubscribe();
  }

  /** Merges, sweeps and deletes until there is no more to do. */
  async #maintain(): Promise<void> {
    const compaction = new Compaction(this.#database, { quietMs: 0, pauseMs: 0 });
    compaction.noteWrites();
    while (await compaction.step());
    while ((await sweep(this.#database)).more);
    const retentions = new Retentions({
      ...{ database: this.#database, rules: [], onTrimmed: () => {}, pauseMs: 0 },
    });
    while ((await retentions.step()).more);
  }

  async #retain(bytes: number): Promise<void> {
    const rules = parseRetentionRules(`${this.#prefix}/a: bytes=${bytes}; nothing: age=1d`);
    const retentions = new Retentions({
      ...{ database: this.#database, rules, onTrimmed: () => {}, pauseMs: 0 },
    });
    while ((await retentions.step()).more);
    const model = this.#models[0]!;
    if (!model.alive) return;
    const { earliest } = await this.#node.inspect(model.path);
    assert.ok(earliest >= model.earliest && model.boundaries.includes(earliest));
    if (earliest > model.earliest) {
      assert.ok(model.tail - earliest >= bytes, "too much was dropped");
    }
    model.earliest = earliest;
    await this.#check(model);
  }

  /** Any node, and one that has nothing cached, serve the same. */
  async #check(model: Model): Promise<void> {
    const fresh = new Streams(this.#database, { report: () => {} });
    for (const node of [...this.#nodes, fresh]) {
      const stream = await node.open(model.path);
      assert.equal(stream.earliest, model.earliest);
      assert.equal(stream.tail, model.tail);
      let text = "";
      for (let at = stream.earliest; at < stream.tail;) {
        const page = await node.page(stream, at, 1 << 20);
        text += textOf(page.bytes);
        at = page.end;
        page.release?.();
      }
      assert.equal(text, model.textFrom(model.earliest));
      for (const at of model.boundaries.filter((position) => position < model.earliest)) {
        await assert.rejects(
          node.page(stream, at, 1000),
          (error) =>
            error instanceof Refused && error.refusal.kind === "trimmed" &&
            error.refusal.earliest.position === model.earliest,
        );
      }
    }
  }

  async end(): Promise<void> {
    await this.#maintain();
    for (const model of this.#models) {
      if (!model.alive) continue;
      await this.#check(model);
      await this.#goOn(model);
      if (!this.#isForked(model)) await this.#checkDisk(model);
    }
    await this.#checkCursors();
    for (const model of this.#models) if (model.alive) await this.#delete(model);
    await this.#maintain();
    const [left] = await this.#database.query<{ segments: number; trims: number }>(
      "select (select count(*) from penstock.segments) as segments, " +
        "(select count(*) from penstock.trims) as trims",
    );
    assert.deepEqual({ ...left }, { segments: 0, trims: 0 });
  }

  /** Whether a fork of it, or of one, is there. */
  #isForked(model: Model): boolean {
    return this.#models.some((fork) =>
      fork.source === model && (fork.alive || this.#isForked(fork))
    );
  }

  /** Of what no fork reads, nothing is left but the segment that holds the earliest, or the newest. */
  async #checkDisk(model: Model): Promise<void> {
    const rows = await this.#database.query<{ position: number }>(
      `select g.position from penstock.segments g join penstock.streams s on s.id = g.stream_id
       where s.path = $1 and s.state <> 'deleted' and g.position + length(g.data) <= s.earliest
       order by g.position`,
      [model.path],
    );
    assert.ok(rows.length <= 1, `${rows.length} segments that were dropped are still there`);
  }
}

/** A link whose stream was trimmed up to its tail has no work, but for the mark that it had some. */
const TRIMMED_TO_THE_TAIL = [
  { stream: 1, step: { kind: "append", size: 5, count: 3 } },
  { stream: 1, step: { kind: "ack", where: 0 } },
  { stream: 1, step: { kind: "trim", where: 1 } },
] as const;

Deno.test("trims agree with the model on every node, and disk comes back", async () => {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const database = await openPostgres({ url, connections: 4, timeoutMs: 10_000 });
  stack.defer(() => database.close());
  await migrate(database);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (chosen) => {
      const nodes = [0, 1].map(() => new Streams(database, { report: () => {} }));
      const run = new Run(database, nodes, `run-${runs++}`);
      await run.start();
      for (const { stream, step } of chosen) await run.step(stream, step);
      await run.end();
    }),
    {
      numRuns: Number(Deno.env.get("PENSTOCK_TRIM_RUNS") ?? 40),
      examples: [[[...TRIMMED_TO_THE_TAIL]]],
    },
  );
});
