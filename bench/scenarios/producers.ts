/** Appends of idempotent producers, several of each on the way at once (target 5). */
import { BINARY, createStream, freshName } from "../load/prepare.ts";
import type { RequestLoad } from "../load/load_task.ts";
import { ownLoad } from "../load/request_load.ts";
import type { SubjectId } from "../servers/subjects.ts";
import { loaded } from "./measured.ts";
import { type Context, type Sample, type Scenario, THROUGHPUT } from "./scenario.ts";

const SUBJECTS: readonly SubjectId[] = ["deno+postgres", "binary+postgres", "given"];

/** Four requests of a producer on the way at once, 64 in all, as many as without. */
const CONNECTIONS_EACH = 4;

async function append(context: Context, asProducers: boolean): Promise<Sample> {
  const path = await createStream(context.subject.url, { prefix: "producers" });
  let retried = NaN;
  const generate = async (load: RequestLoad) => {
    // The warm-up uses up sequence numbers, so each run has producers of its own.
    const name = freshName("producer");
    const producers = { name, connectionsEach: CONNECTIONS_EACH };
    const result = await ownLoad({ ...load, ...asProducers ? { producers } : {} });
    retried = (result.retries ?? NaN) / result.requests * 100;
    return result;
  };
  const request = { method: "POST", path, headers: BINARY, bodyBytes: 100 } as const;
  const sample = await loaded(context, { ...request, connections: 64, generate });
  return asProducers ? { ...sample, values: { ...sample.values, retried } } : sample;
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
    run: (context) => append(context, false),
  },
  {
    id: "producers",
    title: "the same by 16 idempotent producers, 4 requests of each on the way",
    targets: [5],
    metrics: [...THROUGHPUT, { name: "retried", unit: "%", better: "lower" }],
    subjects: SUBJECTS,
    run: (context) => append(context, true),
  },
];
