/** Followers of whom nothing happens: what each keeps resident, and their CPU (target 12). */
import type { FollowersReady, FollowersTask } from "../load/followers_process.ts";
import { createStreams, TEXT } from "../load/prepare.ts";
import { Script } from "../load/scripts.ts";
import { residentBytes } from "../servers/proc.ts";
import type { Subject } from "../servers/subjects.ts";
import { measured } from "./measured.ts";
import type { Context, Sample, Scenario } from "./scenario.ts";

const STREAMS = 1000;
const SETTLE_MILLIS = 1500;

async function idle(context: Context, subject: Subject): Promise<Sample> {
  const { quick } = context.effort;
  const { pid, url } = subject;
  if (pid === undefined) throw new Error("its memory can only be measured on this machine");
  const path = await createStreams(url, { prefix: "idle", count: STREAMS, headers: TEXT });
  await settled();
  const before = residentBytes(pid);
  // A quick run has no time for 10,000; fewer overstate what each keeps, never understate it.
  const followers = quick ? 2000 : 10_000;
  const paths = STREAMS;
  const task: FollowersTask = { url, path, paths, followers, appendsPerSecond: 0, seconds: 0 };
  const script = new Script("followers_process.ts", task);
  try {
    await script.answer<FollowersReady>();
    await settled();
    const after = residentBytes(pid);
    const seconds = quick ? 3 : 10;
    const { cpu } = await measured({ ...context, subject }, async () => {
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      return { result: undefined, operations: seconds };
    });
    if (before === undefined || after === undefined) throw new Error("needs /proc");
    const share = (cpu.serverMicros ?? NaN) / 1e6 * 100;
    return { values: { each: (after - before) / followers / 1024, cpu: share }, cpu };
  } finally {
    await script.end();
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MILLIS));
}

export const idleFollowers: readonly Scenario[] = [{
  id: "idle",
  title: "idle SSE followers over 1,000 streams (10,000; 2,000 with --quick)",
  targets: [12],
  metrics: [
    { name: "each", unit: "KiB", better: "lower" },
    { name: "cpu", unit: "%", better: "lower" },
  ],
  subjects: ["deno+postgres", "binary+postgres", "official-memory"],
  notQuick: ["official-memory"],
  maxRounds: 3,
  // A fresh server each time: what an earlier one has let go of would hide what these take.
  run: (context) =>
    context.fleet.withFresh(context.subject.id, (subject) => idle(context, subject)),
}];
