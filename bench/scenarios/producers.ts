/** Appends of idempotent producers, several of each on the way at once (target 5). */
import { BINARY, createStream, freshName } from "../load/prepare.ts";
import { ownLoad, type OwnOptions, type RequestLoad } from "../load/request_load.ts";
import type { SubjectId } from "../servers/subjects.ts";
import { loaded } from "./measured.ts";
import { type Context, type Sample, type Scenario, THROUGHPUT } from "./scenario.ts";

const SUBJECTS: readonly SubjectId[] = ["deno+postgres", "binary+postgres", "given"];

async function append(context: Context, options: OwnOptions): Promise<Sample> {
  const path = await createStream(context.subject.url, { prefix: "producers" });
  // The warm-up uses up sequence numbers, so each run has producers of its own.
  const generate = (load: RequestLoad) =>
    ownLoad({
      ...{ ...load, ...options },
      ...options.producers === undefined ? {} : { producers: freshName("producer") },
    });
  return await loaded(context, {
    ...{ method: "POST", path, headers: BINARY, bodyBytes: 100, connections: 64 },
    generate,
  });
}

/**
 * wrk cannot count up a sequence a connection, so both the producers and what they are compared
 * with are loaded by our own generator.
 */
export const producers: readonly Scenario[] = [
  {
    id: "producers-none",
    title: "append, one stream, 64 connections, our own generator",
    targets: [5],
    metrics: THROUGHPUT,
    subjects: SUBJECTS,
    run: (context) => append(context, {}),
  },
  {
    id: "producers",
    title: "the same by 64 idempotent producers, 4 requests pipelined",
    targets: [5],
    metrics: THROUGHPUT,
    subjects: SUBJECTS,
    run: (context) => append(context, { pipelined: 4, producers: "producer" }),
  },
];
