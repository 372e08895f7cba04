/** From an append to a long-poll that waits, on the same node and on another (target 13). */
import type { LongPollResult, LongPollTask } from "../load/long_poll_process.ts";
import { createStream } from "../load/prepare.ts";
import { runScript } from "../load/scripts.ts";
import { OFFICIAL, PENSTOCK } from "../servers/subjects.ts";
import { measured } from "./measured.ts";
import type { Context, Metric, Sample, Scenario } from "./scenario.ts";

const METRICS: readonly Metric[] = [
  { name: "over", unit: "ms", better: "lower" },
  { name: "append p50", unit: "ms", better: "lower" },
  { name: "delivery p50", unit: "ms", better: "lower" },
  { name: "delivery p99", unit: "ms", better: "lower" },
];

async function deliver(context: Context, followerUrl: string): Promise<Sample> {
  const { subject, effort } = context;
  const path = await createStream(subject.url, { prefix: "long-poll" });
  const appends = effort.quick ? 150 : 500;
  const task: LongPollTask = { url: subject.url, followerUrl, path, appends };
  const { result, cpu } = await measured(context, async () => {
    const made = await runScript<LongPollResult>("long_poll_process.ts", task);
    return { result: made, operations: appends, loadMicros: made.cpuMicros };
  });
  const { appendP50, deliveryP50, deliveryP99 } = result;
  return {
    values: {
      over: deliveryP50 - appendP50,
      "append p50": appendP50,
      "delivery p50": deliveryP50,
      "delivery p99": deliveryP99,
    },
    cpu,
  };
}

export const longPolls: readonly Scenario[] = [
  {
    id: "long-poll",
    title: "append to long-poll delivery, same node, over the append alone",
    targets: [13],
    metrics: METRICS,
    subjects: [...PENSTOCK, ...OFFICIAL, "given"],
    notQuick: ["deno+embedded", "binary+embedded", "official-file"],
    run: (context) => deliver(context, context.subject.url),
  },
  {
    id: "long-poll-other",
    title: "the same, the follower on another node",
    targets: [13],
    metrics: METRICS,
    subjects: ["deno+postgres", "binary+postgres"],
    run: (context) => context.fleet.beside(context.subject, (other) => deliver(context, other.url)),
  },
];
