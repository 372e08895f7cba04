/** What can go wrong with PostgreSQL, and between it and the nodes. */
import postgres from "postgres";
import type { Cluster } from "./cluster.ts";
import type { TortureDatabase } from "./database.ts";
import type { NodeLink } from "./node_link.ts";
import type { FaultContext, FaultKind } from "./faults.ts";
import type { Random } from "./random.ts";
import { sleep } from "./run_state.ts";

/** More than the server has. */
const CONNECTIONS = 80;

const hasStandby = (cluster: Cluster) => cluster.database!.hasStandby;

export const DATABASE_FAULTS: readonly FaultKind[] = [
  restart("restart PostgreSQL, fast", "SIGINT", 2),
  restart("restart PostgreSQL, immediate", "SIGQUIT", 2),
  restart("kill -9 PostgreSQL", "SIGKILL", 3),
  {
    name: "pause PostgreSQL",
    part: "database",
    weight: 3,
    async inject({ cluster, random }) {
      await cluster.database!.signalPrimary("SIGSTOP");
      await sleep(random.between(300, 6000));
      await cluster.database!.signalPrimary("SIGCONT");
      return "primary";
    },
  },
  {
    name: "end all sessions",
    part: "database",
    weight: 2,
    async inject({ cluster }) {
      await cluster.database!.asAdmin((sql) =>
        sql.unsafe("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'")
      );
      return "primary";
    },
  },
  {
    name: "lock the streams",
    part: "database",
    weight: 2,
    async inject({ cluster, random }) {
      const held = random.between(500, 4000);
      await cluster.database!.asAdmin((sql) =>
        sql.begin(async (transaction) => {
          await transaction.unsafe("lock table penstock.streams in access exclusive mode");
          await sleep(held);
        }), "torture");
      return `${held} ms`;
    },
  },
  {
    name: "hold a snapshot",
    part: "snapshots",
    weight: 2,
    async inject({ cluster, random }) {
      const held = random.between(2000, 15_000);
      await cluster.database!.asAdmin(
        (sql) =>
          sql.begin("isolation level repeatable read", async (transaction) => {
            await transaction.unsafe("select count(*) from penstock.streams");
            await sleep(held);
          }),
        "torture",
      );
      return `${held} ms`;
    },
  },
  {
    // What the sweep does once a stream is long and quiet or closed, to all of them and at any time.
    name: "merge segments",
    part: "segments",
    weight: 8,
    async inject({ cluster, random }) {
      let merged = 0;
      for (let left = random.between(2, 6); left > 0; left--) {
        merged += await cluster.database!.asAdmin(mergeAll, "torture");
        await sleep(random.between(50, 500));
      }
      return `${merged} segments`;
    },
  },
  {
    name: "exhaust the connections",
    part: "database",
    weight: 2,
    async inject({ cluster, random }) {
      return await exhaust(cluster.database!, random.between(1000, 4000));
    },
  },
  {
    name: "fill the disk",
    part: "database",
    weight: 1,
    applies: (cluster) => cluster.database!.ownDisk,
    async inject({ cluster, random }) {
      const database = cluster.database!;
      await database.fillDisk();
      await sleep(random.between(1000, 4000));
      await database.freeDisk();
      // A server that cannot write its log ends itself.
      await database.startPrimary();
      return "primary";
    },
  },
  failover("fail over", 5, () => Promise.resolve()),
  failover("fail over, and the old primary comes back", 4, async (database, random) => {
    await database.reviveOldPrimary();
    await sleep(random.between(500, 3000));
  }),
  {
    name: "pause the standby",
    part: "database",
    weight: 3,
    applies: hasStandby,
    async inject({ cluster, random }) {
      await cluster.database!.signalStandby("SIGSTOP");
      await sleep(random.between(300, 5000));
      await cluster.database!.signalStandby("SIGCONT");
      return "standby";
    },
  },
  onLink("cut a node's database", 3, async (link, random) => {
    link.refusing = true;
    link.cut();
    await sleep(random.between(0, 4000));
    link.refusing = false;
  }),
  onLink("half-open a node's database", 4, async (link, random) => {
    link.stall(random.pick(["both", "answers"]));
    await sleep(0);
  }),
  onLink("delay a node's database", 2, async (link, random) => {
    link.delayMs = random.between(5, 300);
    await sleep(random.between(1000, 4000));
    link.delayMs = 0;
  }),
  onLink("cut LISTEN", 2, async (link) => {
    link.cut("listening");
    await sleep(0);
  }),
  onLink("half-open LISTEN", 3, async (link, random) => {
    link.stall(random.pick(["both", "answers"]), "listening");
    await sleep(0);
  }),
];

function restart(
  name: string,
  signal: "SIGINT" | "SIGQUIT" | "SIGKILL",
  weight: number,
): FaultKind {
  return {
    name,
    part: "database",
    weight,
    async inject({ cluster, random }: FaultContext) {
      await cluster.database!.stopPrimary(signal);
      await sleep(random.between(0, 2000));
      await cluster.database!.startPrimary();
      return "primary";
    },
  };
}

function failover(
  name: string,
  weight: number,
  meanwhile: (database: TortureDatabase, random: Random) => Promise<void>,
): FaultKind {
  return {
    name,
    part: "database",
    weight,
    applies: hasStandby,
    async inject({ cluster, random }) {
      const database = cluster.database!;
      if (!database.hasStandby) await database.rebuildStandby();
      if (!(await database.failOver())) throw new Error("the standby was not in step");
      await sleep(random.between(0, 1000));
      await meanwhile(database, random);
      await database.rebuildStandby();
      return "primary";
    },
  };
}

function onLink(
  name: string,
  weight: number,
  act: (link: NodeLink, random: Random) => Promise<void>,
): FaultKind {
  return {
    name,
    part: "connections",
    weight,
    async inject({ cluster, random }) {
      const node = random.between(0, cluster.nodes.length - 1);
      await act(cluster.database!.links[node]!, random);
      return `node ${node}`;
    },
  };
}

/** Returns how many segments there are less. */
async function mergeAll(sql: postgres.Sql): Promise<number> {
  const count = async () => {
    const [row] = await sql.unsafe("select count(*)::integer as rows from penstock.segments");
    return row!.rows as number;
  };
  const before = await count();
  await sql.unsafe(`select m.* from penstock.stream_states s
    cross join lateral penstock.merge_segments(s.id, 0, s.tail, 1000) m`);
  // And their room is given back, of tables that would not be worth it too.
  await sql.unsafe("vacuum (skip_locked, index_cleanup on) penstock.segments");
  await sql.unsafe("select penstock.pack_segments(2)");
  await sql.unsafe("vacuum (skip_locked, index_cleanup on) penstock.segments");
  await sql.unsafe("select penstock.rebuild_segment_index(16384)");
  return Math.max(0, before - await count());
}

/** Takes every connection there is, after ending the nodes' own. */
async function exhaust(database: TortureDatabase, held: number): Promise<string> {
  const sql = postgres(database.directUrl, {
    max: CONNECTIONS,
    connect_timeout: 5,
    onnotice: () => {},
  });
  const taken = Array.from({ length: CONNECTIONS }, () => sql.unsafe("select pg_sleep(0.05)"));
  await Promise.allSettled(taken);
  await database.asAdmin((admin) =>
    admin.unsafe(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where usename = 'app' and application_name = 'penstock'`,
    )
  );
  const until = performance.now() + held;
  let most = 0;
  while (performance.now() < until) {
    const tries = Array.from({ length: CONNECTIONS }, () => sql.unsafe("select pg_sleep(0.2)"));
    const had = await Promise.allSettled(tries);
    most = Math.max(most, had.filter(({ status }) => status === "fulfilled").length);
  }
  await sql.end({ timeout: 1 });
  return `${most} connections`;
}
