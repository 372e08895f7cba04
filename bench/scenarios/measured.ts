/** Runs a load and tells what it cost: the server, PostgreSQL, the generator, everyone else. */
import process from "node:process";
import { cpuMicros, machineMicros, reapedMicros, treeCpuMicros } from "../servers/proc.ts";
import type { LoadResult, RequestLoad } from "../load/load_task.ts";
import { load } from "../load/request_load.ts";
import type { Context, Cpu, Sample } from "./scenario.ts";

export interface Work {
  /** What CPU time is divided by. */
  readonly operations: number;
  /** CPU time of the generator; absent where it is a child that has ended within the work. */
  readonly loadMicros?: number;
}

interface Clocks {
  readonly at: number;
  readonly server: number | undefined;
  readonly postgres: number | undefined;
  readonly reaped: number | undefined;
  readonly machine: number | undefined;
  readonly bench: number;
}

/** The work's own result, and its CPU. */
export async function measured<T>(
  context: Context,
  work: () => Promise<{ result: T } & Work>,
): Promise<{ result: T; cpu: Cpu }> {
  const { subject, fleet } = context;
  const postmaster = subject.onPostgres ? await fleet.postmaster() : undefined;
  const read = (): Clocks => ({
    at: performance.now(),
    server: subject.pid === undefined ? undefined : cpuMicros(subject.pid),
    postgres: postmaster === undefined ? undefined : treeCpuMicros(postmaster),
    reaped: reapedMicros(process.pid),
    machine: machineMicros(),
    bench: sum(process.cpuUsage()),
  });
  const before = read();
  const { result, operations, loadMicros } = await work();
  const after = read();
  return { result, cpu: cpuBetween(before, after, { operations, ...micros(loadMicros) }) };
}

function cpuBetween(before: Clocks, after: Clocks, work: Work): Cpu {
  const spent = (key: "server" | "postgres" | "reaped" | "machine") =>
    difference(before[key], after[key]);
  const [server, postgres, machine] = [spent("server"), spent("postgres"), spent("machine")];
  const load = work.loadMicros ?? spent("reaped");
  const wall = (after.at - before.at) * 1000;
  const cpu: { -readonly [K in keyof Cpu]: Cpu[K] } = {};
  if (server !== undefined) cpu.serverMicros = server / work.operations;
  if (postgres !== undefined) cpu.postgresMicros = postgres / work.operations;
  if (load !== undefined) cpu.loadCores = load / wall;
  if (machine !== undefined && load !== undefined) {
    // A script's start is in neither figure of a load that reports its own: part of the noise.
    const ours = (server ?? 0) + (postgres ?? 0) + load + after.bench - before.bench;
    cpu.otherCores = Math.max(0, machine - ours) / wall;
  }
  return cpu;
}

function difference(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined ? undefined : after - before;
}

function sum(usage: { user: number; system: number }): number {
  return usage.user + usage.system;
}

function micros(loadMicros: number | undefined): { loadMicros?: number } {
  return loadMicros === undefined ? {} : { loadMicros };
}

/** Closed-loop load on the subject, warmed up once, as one sample of THROUGHPUT. */
export async function throughput(
  context: Context,
  request: Omit<RequestLoad, "url" | "seconds">,
): Promise<Sample> {
  return await loaded(context, { ...request, generate: load });
}

/** The same with the generator of one's choice. */
export async function loaded<Extra>(
  context: Context,
  { generate, ...request }: Omit<RequestLoad, "url" | "seconds"> & Extra & {
    generate: (load: RequestLoad & Extra) => Promise<LoadResult>;
  },
): Promise<Sample> {
  const { subject, effort } = context;
  const at = { ...request as unknown as RequestLoad & Extra, url: subject.url };
  // In a quick run the JIT is warmed once a server and method, not once a scenario.
  const name = `warm ${subject.id} ${request.method}`;
  const warm = () => generate({ ...at, seconds: 1, path: warmPath(at.path) });
  await context.once(name, warm, effort.quick ? "run" : "scenario");
  const { result, cpu } = await measured(context, async () => {
    const made = await generate({ ...at, seconds: effort.seconds });
    return { result: made, operations: made.requests, ...micros(made.cpuMicros) };
  });
  const { requests, seconds, p50Millis, p99Millis } = result;
  return { values: { rate: requests / seconds, p50: p50Millis, p99: p99Millis }, cpu };
}

/** Numbered paths that never repeat must not be used up by the warm-up. */
function warmPath(path: string): string {
  return path.endsWith("-new-{n}") ? path.replace("-new-{n}", "-warm-{n}") : path;
}
