/** The upstream project's own scenarios, with its own client; no target of ours, but all quote them. */
import type { ClientResult, ClientTask } from "../load/client_process.ts";
import { runScript } from "../load/scripts.ts";
import { OFFICIAL, PENSTOCK } from "../servers/subjects.ts";
import { measured } from "./measured.ts";
import type { Scenario } from "./scenario.ts";

export const upstreamClient: readonly Scenario[] = [{
  id: "client",
  title: "official client: 100 B x 1,000 at 75; 1 MB x 50 at 15; append, then long-poll",
  targets: [],
  metrics: [
    { name: "small", unit: "msg/s", better: "higher" },
    { name: "large", unit: "msg/s", better: "higher" },
    { name: "round trip p50", unit: "ms", better: "lower" },
    { name: "round trip p99", unit: "ms", better: "lower" },
  ],
  subjects: [...PENSTOCK, ...OFFICIAL, "given"],
  notQuick: ["deno+embedded", "binary+postgres"],
  async run(context) {
    const { subject, effort } = context;
    const task: ClientTask = {
      url: subject.url,
      ...effort.quick
        ? { roundTrips: 10, smallRuns: 1, largeRuns: 1 }
        : { roundTrips: 50, smallRuns: 3, largeRuns: 2 },
    };
    const { result, cpu } = await measured(context, async () => {
      const made = await runScript<ClientResult>("client_process.ts", task);
      return { result: made, operations: made.messages, loadMicros: made.cpuMicros };
    });
    const { small, large, roundTripP50, roundTripP99 } = result;
    const values = { "round trip p50": roundTripP50, "round trip p99": roundTripP99 };
    return { values: { small, large, ...values }, cpu };
  },
}];
