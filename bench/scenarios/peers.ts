/** The fastest server we know of beside ours, load by load; printed by bench/report/peers.ts. */
import { BINARY, createStream, createStreams, fillStream, pageBytes } from "../load/prepare.ts";
import { residentBytes, treeProportionalBytes } from "../servers/proc.ts";
import type { SubjectId } from "../servers/subjects.ts";
import { deliver, FAN_OUT } from "./fan_out.ts";
import { throughput } from "./measured.ts";
import { type Context, type Metric, type Sample, type Scenario, THROUGHPUT } from "./scenario.ts";

export const PEERS: readonly SubjectId[] = [
  "rust",
  "binary+postgres",
  "binary+embedded",
  "deno+postgres",
];

const APPEND = { method: "POST", headers: BINARY, bodyBytes: 100 } as const;
const STREAMS = 1000;
const KIBIBYTE = 1024;
const MEBIBYTE = 2 ** 20;
const MEMORY: readonly Metric[] = [
  { name: "all", unit: "MiB", better: "lower" },
  { name: "node", unit: "MiB", better: "lower" },
  { name: "postgres", unit: "MiB", better: "lower" },
];

async function appendToOne(context: Context, connections: number): Promise<Sample> {
  const path = await createStream(context.subject.url, { prefix: "peers" });
  return await throughput(context, { ...APPEND, path, connections });
}

async function appendToMany(context: Context): Promise<Sample> {
  const { id, url } = context.subject;
  const make = () => createStreams(url, { prefix: "peers", count: STREAMS });
  const path = await context.once(`streams ${id}`, make);
  return await throughput(context, { ...APPEND, path, paths: STREAMS, connections: 256 });
}

async function readHot(context: Context): Promise<Sample> {
  const { id, url } = context.subject;
  const make = () => createStream(url, { prefix: "peers", bytes: KIBIBYTE });
  const path = `${await context.once(`hot ${id}`, make)}?offset=-1`;
  return await throughput(context, { method: "GET", path, connections: 64 });
}

/** One page of a stream of 4 MiB: a server whose pages are smaller sends as much of it as it does. */
async function readPages(context: Context): Promise<Sample> {
  const { id, url } = context.subject;
  const path = await context.once(`page ${id}`, async () => {
    const made = await createStream(url, { prefix: "peers" });
    await fillStream(url, made, 4 * MEBIBYTE);
    return `${made}?offset=-1`;
  });
  const bytes = await pageBytes(url, path);
  const sample = await throughput(context, { method: "GET", path, connections: 8 });
  const { rate = NaN, p50 = NaN, p99 = NaN } = sample.values;
  return { ...sample, values: { rate: rate * bytes / 1e6, p50, p99, page: bytes / MEBIBYTE } };
}

/** After all that came before it in the run, on servers that were never restarted. */
async function memory(context: Context): Promise<Sample> {
  const { subject, fleet } = context;
  const node = subject.pid === undefined ? undefined : residentBytes(subject.pid);
  const postmaster = subject.onPostgres ? await fleet.postmaster() : undefined;
  const postgres = postmaster === undefined ? 0 : treeProportionalBytes(postmaster);
  if (node === undefined || postgres === undefined) throw new Error("needs /proc");
  const values = { node: node / MEBIBYTE, all: (node + postgres) / MEBIBYTE };
  return { values: { ...values, ...postgres > 0 ? { postgres: postgres / MEBIBYTE } : {} } };
}

const PAGES: readonly Metric[] = [
  { name: "rate", unit: "MB/s", better: "higher" },
  ...THROUGHPUT.slice(1),
  { name: "page", unit: "MiB", better: "higher" },
];

function peer(
  id: string,
  title: string,
  options: Pick<Scenario, "run"> & Partial<Pick<Scenario, "metrics" | "maxRounds">>,
): Scenario {
  const fixed = { targets: [], subjects: PEERS, onlyNamed: true } as const;
  return { id: `peers-${id}`, title, metrics: THROUGHPUT, ...fixed, ...options };
}

export const peers: readonly Scenario[] = [
  peer("append-64", "append 100 B, one stream, 64 connections", {
    run: (context) => appendToOne(context, 64),
  }),
  peer("append-256", "append 100 B, one stream, 256 connections", {
    run: (context) => appendToOne(context, 256),
  }),
  peer("append-1000-streams", "append 100 B, 1,000 streams, 256 connections", {
    run: appendToMany,
  }),
  peer("read", "GET of a hot KB, 64 connections", { run: readHot }),
  peer("read-pages", "GET of 4 MiB pages, 8 readers", { metrics: PAGES, run: readPages }),
  peer("fan-out", "fan-out to 1,000 SSE followers, 50 appends/s", {
    metrics: FAN_OUT,
    run: deliver,
  }),
  peer("memory", "memory after all loads", { metrics: MEMORY, maxRounds: 1, run: memory }),
];
