/** One stream, a thousand SSE followers, fifty appends a second (target 11). */
import type { FanOutResult, FollowersReady, FollowersTask } from "../load/followers_process.ts";
import { createStream, TEXT } from "../load/prepare.ts";
import { Script } from "../load/scripts.ts";
import { PENSTOCK } from "../servers/subjects.ts";
import { measured } from "./measured.ts";
import type { Context, Metric, Sample, Scenario } from "./scenario.ts";

const FOLLOWERS = 1000;

export const FAN_OUT: readonly Metric[] = [
  { name: "p50", unit: "ms", better: "lower" },
  { name: "p99", unit: "ms", better: "lower" },
];

/** From sending an append to its arrival at each of the followers. */
export async function deliver(context: Context): Promise<Sample> {
  const { subject, effort } = context;
  const path = await createStream(subject.url, { prefix: "fan-out", headers: TEXT });
  const task: FollowersTask = {
    ...{ url: subject.url, path, paths: 1, followers: FOLLOWERS },
    ...{ appendsPerSecond: 50, seconds: effort.quick ? 2 : 5 },
  };
  const script = new Script("followers_process.ts", task);
  try {
    await script.answer<FollowersReady>();
    const { result, cpu } = await measured(context, async () => {
      script.tell("go");
      const made = await script.answer<FanOutResult>();
      return { result: made, operations: made.deliveries, loadMicros: made.cpuMicros };
    });
    return { values: { p50: result.p50Millis, p99: result.p99Millis }, cpu };
  } finally {
    await script.end();
  }
}

export const fanOut: readonly Scenario[] = [{
  id: "fan-out",
  title: "append to delivery, 1,000 SSE followers of one stream, 50 appends/s",
  targets: [11],
  metrics: FAN_OUT,
  subjects: [...PENSTOCK, "official-memory", "given"],
  notQuick: ["deno+embedded", "binary+embedded"],
  run: deliver,
}];
