/** Appends of 100 bytes: to one stream, to a thousand in turn, to more (targets 1 to 4, and 7). */
import postgres from "postgres";
import { BINARY, createStream, createStreams } from "../load/prepare.ts";
import { EMPTY, OFFICIAL, PENSTOCK, WORKERS } from "../servers/subjects.ts";
import { throughput } from "./measured.ts";
import { type Context, type Sample, type Scenario, THROUGHPUT } from "./scenario.ts";

const APPEND = { method: "POST", headers: BINARY, bodyBytes: 100 } as const;

async function oneStream(context: Context, connections: number): Promise<Sample> {
  // A stream of its own every round: the official server's slows down as it grows.
  const path = await createStream(context.subject.url, { prefix: "append" });
  return await throughput(context, { ...APPEND, path, connections });
}

function toOneStream(connections: number, targets: readonly number[]): Scenario {
  return {
    id: `append-${connections}`,
    title: `append, one stream, ${connections} connections`,
    targets,
    metrics: THROUGHPUT,
    subjects: [...EMPTY, ...PENSTOCK, ...WORKERS, ...OFFICIAL, "given"],
    run: (context) => oneStream(context, connections),
  };
}

function toManyStreams(count: number, extra: Pick<Scenario, "subjects" | "targets">): Scenario {
  return {
    ...extra,
    id: `append-${count}-streams`,
    title: `append, ${count.toLocaleString("en")} streams in turn, 256 connections`,
    metrics: THROUGHPUT,
    growth: { curve: "append over many streams, 256 connections", axis: "streams", at: count },
    async run(context) {
      const { url, id } = context.subject;
      const path = await context.once(
        `streams ${id}`,
        () => createStreams(url, { prefix: "many", count }),
      );
      return await throughput(context, { ...APPEND, path, paths: count, connections: 256 });
    },
  };
}

/** Segments are put into the table directly: a million appends one by one would take ten minutes. */
async function seedSegments(context: Context, path: string, segments: number): Promise<void> {
  const { databaseUrl } = context.subject;
  if (databaseUrl === undefined) throw new Error("seeded only through PostgreSQL");
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    const name = path.slice(path.lastIndexOf("/") + 1);
    await sql.begin(async (transaction) => {
      await transaction`insert into penstock.segments (stream_id, position, data)
        select id, n * 100, convert_to(repeat('x', 100), 'UTF8')
        from penstock.streams, generate_series(0, ${segments - 1}::bigint) n
        where path like ${"%" + name}`;
    });
    await sql`vacuum analyze penstock.segments`;
  } finally {
    await sql.end();
  }
}

function toLongStream(segments: number): Scenario {
  return {
    id: `append-${segments}-segments`,
    title: `append, a stream of ${segments.toLocaleString("en")} segments, 64 connections`,
    targets: [4],
    metrics: THROUGHPUT,
    subjects: ["deno+postgres"],
    growth: { curve: "append to a long stream, 64 connections", axis: "segments", at: segments },
    async run(context) {
      const path = await context.once("long stream", async () => {
        const made = await createStream(context.subject.url, { prefix: "long" });
        await seedSegments(context, made, segments);
        return made;
      });
      return await throughput(context, { ...APPEND, path, connections: 64 });
    },
  };
}

export const appends: readonly Scenario[] = [
  toOneStream(64, [1, 4, 7]),
  toOneStream(256, [2, 7]),
  toManyStreams(1000, { subjects: [...PENSTOCK, "given"], targets: [3, 4] }),
];

/** Points of the growth curves, beyond what a quick run has time for. */
export const longAppends: readonly Scenario[] = [
  toManyStreams(100, { subjects: ["deno+postgres"], targets: [] }),
  toManyStreams(10_000, { subjects: ["deno+postgres"], targets: [] }),
  toLongStream(1000),
  toLongStream(100_000),
];

export const largeAppendCounts: readonly Scenario[] = [
  toManyStreams(100_000, { subjects: ["deno+postgres"], targets: [4] }),
  toLongStream(1_000_000),
];
