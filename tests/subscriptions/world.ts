/** Subscriptions, streams and workers at the level of the statements, and what holds after every step. */
import assert from "node:assert/strict";
import type { Database } from "../../src/storage/database.ts";
import type { WakePhase } from "../../src/storage/schema.ts";
import { parseGlob } from "../../src/protocol/glob.ts";
import { SubscriptionStore, type WakeKey } from "../../src/subscriptions/store.ts";

export const PATHS = ["a/1", "a/2", "b/1", "b/2"];
export const NAMES = ["hook", "pull", "deep"];

interface State {
  id: number;
  generation: number;
  phase: WakePhase;
  wake_id: string | null;
}

interface Link {
  subscription_id: number;
  path: string;
  stream_id: number | null;
  acked: number;
}

/** The database as the world sees it, and the keys that workers were given. */
export class World {
  readonly store: SubscriptionStore;
  /** Every wake any worker ever learnt of, by subscription: most of them stale. */
  readonly known = new Map<number, WakeKey[]>();
  #states = new Map<number, State>();
  #links = new Map<string, Link>();

  constructor(readonly database: Database) {
    this.store = new SubscriptionStore(database);
  }

  async begin(): Promise<void> {
    await this.database.execute(`truncate penstock.streams, penstock.segments,
      penstock.subscriptions, penstock.subscription_links, penstock.new_streams`);
    const glob = (pattern: string) => {
      const parsed = parseGlob(pattern);
      assert.ok(typeof parsed !== "string");
      return parsed;
    };
    const shared = { leaseTtlMs: 600_000, description: null };
    const pull = { type: "pull-wake", wakeStream: "wake" } as const;
    const hook = { type: "webhook", url: "https://hook.invalid/" } as const;
    const configurations = [
      { ...shared, glob: glob("a/*"), streams: [], delivery: hook },
      { ...shared, glob: null, streams: ["a/1", "b/1"], delivery: pull },
      { ...shared, glob: glob("**"), streams: ["b/2"], delivery: pull },
    ];
    for (const [at, name] of NAMES.entries()) {
      await this.store.create(name, configurations[at]!, name);
    }
    await this.check(new Set());
  }

  states(): Promise<State[]> {
    return this.database.query<State>(
      "select id, generation, phase, wake_id from penstock.subscriptions order by id",
    );
  }

  links(): Promise<Link[]> {
    return this.database.query<Link>(
      "select subscription_id, path, stream_id, acked from penstock.subscription_links",
    );
  }

  /**
   * What holds after every step.
   * @param mayMove the subscriptions whose cursors this step may have moved
   */
  async check(mayMove: ReadonlySet<number>): Promise<void> {
    for (const state of await this.states()) {
      const before = this.#states.get(state.id);
      this.#states.set(state.id, state);
      assert.equal(
        state.phase === "idle",
        state.wake_id === null,
        "a wake is in flight, or it is not",
      );
      if (state.wake_id !== null) {
        const keys = this.known.get(state.id) ?? [];
        this.known.set(state.id, keys);
        if (!keys.some((key) => key.wakeId === state.wake_id)) {
          keys.push({ id: state.id, generation: state.generation, wakeId: state.wake_id });
        }
      }
      if (before === undefined) continue;
      assert.ok(state.generation >= before.generation, "a generation fell");
      if (state.generation === before.generation && state.wake_id !== null) {
        assert.equal(state.wake_id, before.wake_id, "one generation, two wakes");
      }
    }
    const links = new Map<string, Link>();
    for (const link of await this.links()) {
      const key = `${link.subscription_id} ${link.path} ${link.stream_id}`;
      links.set(key, link);
      const before = this.#links.get(key);
      if (before === undefined) continue;
      assert.ok(link.acked >= before.acked, `the cursor of ${key} fell`);
      if (!mayMove.has(link.subscription_id)) {
        assert.equal(link.acked, before.acked, `the cursor of ${key} moved`);
      }
    }
    this.#links = links;
  }

  async streamAt(path: string): Promise<{ id: number; tail: number } | undefined> {
    const [row] = await this.database.query<{ id: number; tail: number }>(
      "select id, tail from penstock.stream_states where path = $1 and state = 'active'",
      [path],
    );
    return row;
  }

  /** A poll after all leases have come to their end. */
  async expireAll(): Promise<void> {
    // In ascending order, as everybody takes these locks.
    await this.database.query(
      `update penstock.subscriptions u set due_at = now() - interval '1 s'
       from (select id from penstock.subscriptions where due_at is not null
             order by id for no key update) d
       where u.id = d.id`,
    );
    await this.store.takeDue(100);
  }

  /** Every worker does all there is to do. */
  async settle(): Promise<void> {
    await this.expireAll();
    // Twice: a stream that was replaced during a wake is acked in the next.
    for (let round = 0; round < 2; round++) {
      for (const [at, state] of (await this.states()).entries()) {
        if (state.wake_id !== null) await this.#work(NAMES[at]!, state);
      }
    }
    const states = await this.states();
    assert.deepEqual(states.map(({ phase }) => phase), ["idle", "idle", "idle"]);
    await this.check(new Set(states.map(({ id }) => id)));
  }

  async #work(name: string, state: State): Promise<void> {
    const claim = name === "hook" ? state : await this.store.claim(name, "worker");
    // The stream it was about has gone: the claim found that out, and ended the wake.
    if ("outcome" in claim && claim.outcome === "no_pending_work") return;
    const { id, generation, wake_id } = claim;
    const streams = await this.store.wakeStreams(id);
    const acks = streams.map(({ path, tail: position, tail_generation: generation }) => ({
      ...{ path, position, generation },
    }));
    const wake = { id, generation, wakeId: wake_id! };
    const { outcome } = await this.store.ack(wake, acks, { done: true, trusted: true });
    assert.equal(outcome, "ok");
  }

  async auditRound(): Promise<void> {
    for (let rounds = 0; rounds < 2;) {
      const report = await this.store.reconcile(3, 0, true);
      if (report === null) continue;
      if (report.streamIds.length > 0) await this.store.issueWakes(report.streamIds);
      if (report.wrapped) rounds++;
    }
  }

  /** Whoever ought to be linked, and has work, has a wake in flight. By rules of its own. */
  async assertAllWoken(): Promise<void> {
    const streams = await this.database.query<{ id: number; path: string; tail: number }>(
      "select id, path, tail from penstock.stream_states where state = 'active'",
    );
    const links = await this.links();
    const linked: Record<string, (path: string) => boolean> = {
      hook: (path) => path.startsWith("a/"),
      pull: (path) => path === "a/1" || path === "b/1",
      deep: () => true,
    };
    for (const [at, state] of (await this.states()).entries()) {
      let pending = false;
      for (const stream of streams.filter(({ path }) => linked[NAMES[at]!]!(path))) {
        const link = links.find((link) =>
          link.subscription_id === state.id && link.path === stream.path
        );
        assert.equal(link?.stream_id, stream.id, `${NAMES[at]} is not linked to ${stream.path}`);
        pending ||= stream.tail > link!.acked;
      }
      if (pending) assert.notEqual(state.phase, "idle", `${NAMES[at]} has work and no wake`);
    }
  }
}
