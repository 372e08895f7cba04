/** What can go wrong. Every fault ends by itself, and leaves things as they were. */
import type { Cluster, TortureNode } from "./cluster.ts";
import { DATABASE_FAULTS } from "./database_faults.ts";
import type { Fault } from "./history.ts";
import { canLimitOpenFiles } from "./open_files.ts";
import type { Random } from "./random.ts";
import { type RunState, sleep } from "./run_state.ts";

export interface FaultContext {
  readonly cluster: Cluster;
  readonly run: RunState;
  readonly random: Random;
}

export interface FaultKind {
  readonly name: string;
  /** The part that it affects: two faults at once affect different parts. */
  readonly part: Fault["part"];
  /** How often, against the others. */
  readonly weight: number;
  /** Where it can be had; anywhere without this. */
  readonly applies?: (cluster: Cluster) => boolean;
  /** Returns to whom it was done. */
  inject(context: FaultContext): Promise<string>;
}

const FLOOD = 300;

export function applicable(cluster: Cluster): FaultKind[] {
  const all = cluster.database === null ? NODE_FAULTS : [...NODE_FAULTS, ...DATABASE_FAULTS];
  return all.filter((kind) => kind.applies?.(cluster) ?? true);
}

export const KILL_NODE: FaultKind = {
  name: "kill -9 a node",
  part: "node",
  weight: 5,
  async inject({ cluster, random }) {
    const node = pickNode(cluster, random);
    await node.kill();
    await sleep(random.between(0, 1000));
    await node.start();
    return nameOf(node);
  },
};

const NODE_FAULTS: readonly FaultKind[] = [
  KILL_NODE,
  {
    name: "pause a node",
    part: "node",
    weight: 3,
    async inject({ cluster, random }) {
      const node = pickNode(cluster, random);
      node.signal("SIGSTOP");
      await sleep(random.between(300, 6000));
      node.signal("SIGCONT");
      return nameOf(node);
    },
  },
  {
    name: "set a node's clock back",
    part: "clock",
    weight: 1,
    applies: (cluster) => cluster.database !== null && haveOwnClocks(cluster),
    inject: setClockBack,
  },
  {
    // One process, one clock: TTLs go by it.
    name: "set the embedded database's clock back",
    part: "database clock",
    weight: 1,
    applies: (cluster) => cluster.database === null && haveOwnClocks(cluster),
    inject: setClockBack,
  },
  {
    name: "restart all nodes in turn",
    part: "node",
    weight: 2,
    async inject({ cluster }) {
      for (const node of cluster.nodes) {
        await node.terminate();
        await node.start();
      }
      return "all nodes";
    },
  },
  {
    name: "cut clients' connections",
    part: "clients",
    weight: 3,
    async inject({ cluster, random }) {
      const { front } = pickNode(cluster, random);
      for (let left = random.between(1, 5); left > 0; left--) {
        front.cut();
        await sleep(random.between(50, 500));
      }
      return "clients";
    },
  },
  {
    name: "half-open clients' connections",
    part: "clients",
    weight: 3,
    inject({ cluster, random }) {
      const node = pickNode(cluster, random);
      const how = random.pick(["both", "answers"] as const);
      node.front.stall(how);
      return Promise.resolve(`${nameOf(node)}, ${how}`);
    },
  },
  {
    name: "delay clients' connections",
    part: "clients",
    weight: 2,
    async inject({ cluster, random }) {
      const node = pickNode(cluster, random);
      node.front.delayMs = random.between(20, 400);
      await sleep(random.between(1000, 4000));
      node.front.delayMs = 0;
      return nameOf(node);
    },
  },
  {
    name: "fill the disk",
    part: "database",
    weight: 2,
    applies: (cluster) => cluster.disk !== null,
    async inject({ cluster, random }) {
      cluster.disk!.fill();
      await sleep(random.between(1000, 4000));
      cluster.disk!.free();
      return "embedded";
    },
  },
  {
    name: "use up the inodes",
    part: "database",
    weight: 2,
    applies: (cluster) => cluster.disk !== null,
    async inject({ cluster, random }) {
      cluster.disk!.useUpInodes();
      await sleep(random.between(1000, 4000));
      cluster.disk!.freeInodes();
      return "embedded";
    },
  },
  {
    name: "take a node's file descriptors",
    part: "node",
    weight: 2,
    applies: () => canLimitOpenFiles(),
    async inject({ cluster, random }) {
      const node = pickNode(cluster, random);
      node.limitOpenFiles(true);
      await sleep(random.between(1000, 4000));
      node.limitOpenFiles(false);
      return nameOf(node);
    },
  },
  {
    name: "flood with requests",
    part: "clients",
    weight: 1,
    async inject({ cluster, run, random }) {
      const node = pickNode(cluster, random);
      const client = run.client("flood");
      const name = {
        path: `flood/${client.name}`,
        contentType: "text/plain",
        incarnation: 1,
      };
      await client.create(node.index, name);
      await Promise.all(Array.from({ length: FLOOD }, async (_, at) => {
        if (at % 3 === 0) await client.read(node.index, name, { start: 0 });
        else await client.append(node.index, name, { record: run.record(name.path, random) });
      }));
      return nameOf(node);
    },
  },
];

function pickNode(cluster: Cluster, random: Random): TortureNode {
  return random.pick(cluster.nodes);
}

function nameOf(node: TortureNode): string {
  return `node ${node.index}`;
}

function haveOwnClocks(cluster: Cluster): boolean {
  return cluster.nodes.every((node) => node.skewed);
}

function setClockBack({ cluster, random }: Parameters<FaultKind["inject"]>[0]): Promise<string> {
  const node = pickNode(cluster, random);
  node.signal("SIGWINCH");
  return Promise.resolve(nameOf(node));
}
