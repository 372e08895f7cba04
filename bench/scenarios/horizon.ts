/**
 * What a server does while PostgreSQL may not remove old versions of rows: a snapshot is held open,
 * or a replication slot that nobody reads, while load runs. Printed by bench/report/horizon.ts.
 */
import postgres from "postgres";
import type { FollowersReady, FollowersTask } from "../load/followers_process.ts";
import type { LoadResult, RequestLoad } from "../load/load_task.ts";
import { createStream, createStreams, freshName, TEXT } from "../load/prepare.ts";
import { load, ownLoad } from "../load/request_load.ts";
import { Script } from "../load/scripts.ts";
import { postmasterOf, type StorageKind } from "../servers/fleet.ts";
import { cpuMicros, treeCpuMicros } from "../servers/proc.ts";
import type { Context, Effort, Metric, Sample, Scenario } from "./scenario.ts";

const STREAMS = 1000;
const APPEND = { method: "POST", headers: TEXT, bodyBytes: 100 } as const;
const GET = { method: "GET", connections: 64 } as const;

/** What is measured before and while it is held, by the names under which values are kept. */
export const MEASURES = ["append 16", "append 1", "get", "followed"] as const;
export type Measure = typeof MEASURES[number];

export const MEASURE_TITLES: Readonly<Record<Measure, string>> = {
  "append 16": "append/s, 16 connections",
  "append 1": "append/s, one connection",
  "get": "GET/s at the tail, 64 connections",
  "followed": "GET/s at the tails of 1,000 followed streams",
};

/** Holds something in the database; the result lets go of it. */
type Hold = (databaseUrl: string) => Promise<() => Promise<void>>;

interface Variant {
  readonly storage: StorageKind;
  readonly hold: Hold;
  readonly asProducers: boolean;
}

interface Bed {
  readonly url: string;
  /** Of the server, and of PostgreSQL's first process: their CPU time is counted. */
  readonly pid: number | undefined;
  readonly postmaster: number | undefined;
  readonly stream: string;
  /** A pattern of 1,000 paths, each followed over SSE. */
  readonly followed: string;
  readonly asProducers: boolean;
}

async function holdSnapshot(databaseUrl: string): Promise<() => Promise<void>> {
  const sql = postgres(databaseUrl, { max: 1 });
  const connection = await sql.reserve();
  await connection`begin isolation level repeatable read`;
  // The snapshot is taken by the first statement that needs one.
  await connection`select count(*) from penstock.streams`;
  return async () => {
    await connection`rollback`;
    connection.release();
    await sql.end();
  };
}

/** Nothing: what the load itself and other work on the machine change in the same time. */
function holdNothing(): Promise<() => Promise<void>> {
  return Promise.resolve(() => Promise.resolve());
}

async function holdSlot(databaseUrl: string): Promise<() => Promise<void>> {
  const sql = postgres(databaseUrl, { max: 1 });
  const name = "penstock_bench_unread";
  await sql`select pg_create_logical_replication_slot(${name}, 'pgoutput')`;
  return async () => {
    await sql`select pg_drop_replication_slot(${name})`;
    await sql.end();
  };
}

function appendLoad(bed: Bed, connections: number, seconds: number): Promise<LoadResult> {
  const request: RequestLoad = { ...APPEND, url: bed.url, path: bed.stream, connections, seconds };
  if (!bed.asProducers) return load(request);
  const connectionsEach = Math.min(4, connections);
  return ownLoad({ ...request, producers: { name: freshName("producer"), connectionsEach } });
}

function loadOf(measure: Measure, bed: Bed, seconds: number): Promise<LoadResult> {
  const { url, stream, followed } = bed;
  switch (measure) {
    case "append 16":
      return appendLoad(bed, 16, seconds);
    case "append 1":
      return appendLoad(bed, 1, seconds);
    case "get":
      return load({ ...GET, url, path: `${stream}?offset=now`, seconds });
    case "followed":
      return load({ ...GET, url, path: `${followed}?offset=now`, paths: STREAMS, seconds });
  }
}

/** CPU time of both so far; NaN where there is no /proc to ask. */
function spentMicros({ pid, postmaster }: Bed): number {
  if (pid === undefined || postmaster === undefined) return NaN;
  return (cpuMicros(pid) ?? NaN) + (treeCpuMicros(postmaster) ?? NaN);
}

type Values = Record<string, number>;

async function measure(bed: Bed, when: "before" | "held", seconds: number): Promise<Values> {
  const values: Values = {};
  for (const name of MEASURES) {
    const cpu = spentMicros(bed);
    const { requests, seconds: took, p99Millis } = await loadOf(name, bed, seconds);
    values[`${name} cpu ${when}`] = (spentMicros(bed) - cpu) / requests;
    values[`${name} ${when}`] = requests / took;
    values[`${name} p99 ${when}`] = p99Millis;
  }
  return values;
}

/** Appends to the one stream and, fewer, to the thousand that are followed. */
async function appendToAll(bed: Bed, seconds: number): Promise<void> {
  const { url, followed: path } = bed;
  const toFollowed = { ...APPEND, url, path, paths: STREAMS, connections: 2, seconds };
  await Promise.all([appendLoad(bed, 16, seconds), load(toFollowed)]);
}

async function compare(
  bed: Bed,
  { hold, effort, databaseUrl }: { hold: Hold; effort: Effort; databaseUrl: string },
): Promise<Sample> {
  for (const name of MEASURES) await loadOf(name, bed, 1); // warms the server up
  const seconds = Math.max(2, effort.seconds);
  const before = await measure(bed, "before", seconds);
  const release = await hold(databaseUrl);
  try {
    const since = performance.now();
    await appendToAll(bed, effort.heldSeconds);
    const heldSeconds = (performance.now() - since) / 1000;
    const values: Values = { ...before, ...await measure(bed, "held", seconds) };
    for (const name of MEASURES) {
      values[name] = values[`${name} held`]! / values[`${name} before`]!;
      values[`${name} p99`] = values[`${name} p99 held`]! / values[`${name} p99 before`]!;
    }
    return { values: { ...values, seconds: heldSeconds } };
  } finally {
    await release();
  }
}

async function run(context: Context, variant: Variant): Promise<Sample> {
  const { subject: { id }, fleet, effort } = context;
  const storage = await fleet.storage(variant.storage);
  try {
    return await fleet.withFresh(id, async ({ url, pid, databaseUrl }) => {
      if (databaseUrl === undefined) throw new Error(`${id} has no database to hold`);
      const stream = await createStream(url, { prefix: "horizon", headers: TEXT });
      const many = { prefix: "followed", count: STREAMS, headers: TEXT };
      const followed = await createStreams(url, many);
      const task: FollowersTask = {
        ...{ url, path: followed, paths: STREAMS, followers: STREAMS },
        ...{ appendsPerSecond: 0, seconds: 0 },
      };
      const followers = new Script("followers_process.ts", task);
      try {
        await followers.answer<FollowersReady>();
        const postmaster = await postmasterOf(databaseUrl);
        const streams = { stream, followed, asProducers: variant.asProducers };
        const bed: Bed = { url, pid, postmaster, ...streams };
        return await compare(bed, { hold: variant.hold, effort, databaseUrl });
      } finally {
        await followers.end();
      }
    }, storage);
  } finally {
    await storage.remove();
  }
}

const METRICS: readonly Metric[] = [
  ...MEASURES.map((name): Metric => ({ name, unit: "x", better: "higher" })),
  ...MEASURES.map((name): Metric => ({ name: `${name} p99`, unit: "x", better: "lower" })),
];

function horizon(id: string, title: string, variant: Variant): Scenario {
  const fixed = { targets: [], subjects: ["binary+postgres"], onlyNamed: true } as const;
  // A round takes as long as the snapshot is held.
  return {
    id,
    title,
    metrics: METRICS,
    ...fixed,
    maxRounds: 1,
    run: (given) => run(given, variant),
  };
}

const SNAPSHOT = { storage: "postgres", hold: holdSnapshot } as const;

export const horizons: readonly Scenario[] = [
  horizon("horizon", "a repeatable read transaction held open", {
    ...{ ...SNAPSHOT, asProducers: false },
  }),
  horizon("horizon-control", "nothing held: what the same load changes by itself", {
    ...{ storage: "postgres", hold: holdNothing, asProducers: false },
  }),
  horizon("horizon-producers", "the same, appends by idempotent producers", {
    ...{ ...SNAPSHOT, asProducers: true },
  }),
  horizon("horizon-slot", "a logical replication slot that nobody reads", {
    ...{ storage: "logical", hold: holdSlot, asProducers: false },
  }),
];
