/** Streams created, and whether the rate holds as they add up (target 14). */
import { BINARY, createStreams, freshName, streamPath } from "../load/prepare.ts";
import { OFFICIAL, PENSTOCK } from "../servers/subjects.ts";
import { throughput } from "./measured.ts";
import { type Context, type Sample, type Scenario, THROUGHPUT } from "./scenario.ts";

async function create(context: Context): Promise<Sample> {
  // `-new-`: the warm-up takes other names.
  const path = streamPath(`${freshName("create")}-new-{n}`);
  return await throughput(context, { method: "PUT", path, headers: BINARY, connections: 64 });
}

function among(existing: number): Scenario {
  return {
    id: `create-${existing}`,
    title: `create, 64 connections, ${existing.toLocaleString("en")} streams exist`,
    targets: [14],
    metrics: THROUGHPUT,
    subjects: ["deno+postgres"],
    growth: { curve: "create, 64 connections", axis: "streams that exist", at: existing },
    async run(context) {
      await context.once(
        `existing ${context.subject.id}`,
        () => createStreams(context.subject.url, { prefix: "existing", count: existing }),
      );
      return await create(context);
    },
  };
}

export const creates: readonly Scenario[] = [{
  id: "create",
  title: "create, 64 connections",
  targets: [14],
  metrics: THROUGHPUT,
  subjects: [...PENSTOCK, ...OFFICIAL, "given"],
  notQuick: ["deno+embedded", "official-file", "official-memory"],
  run: create,
}];

export const largeCreates: readonly Scenario[] = [among(1000), among(100_000)];
