/** From starting the process to the first `/ready` that is answered (target 15). */
import { BINARY, createStream } from "../load/prepare.ts";
import { load } from "../load/request_load.ts";
import type { Storage } from "../servers/fleet.ts";
import { PENSTOCK } from "../servers/subjects.ts";
import type { Context, Sample, Scenario } from "./scenario.ts";

/** A database that a Penstock has migrated, written to and left properly. */
async function usedStorage(context: Context): Promise<Storage> {
  const { fleet, subject } = context;
  const storage = await fleet.storage(subject.onPostgres ? "postgres" : "embedded");
  await fleet.withFresh(subject.id, async ({ url }) => {
    const path = await createStream(url, { prefix: "start" });
    const append = { method: "POST", path, headers: BINARY, bodyBytes: 100 } as const;
    await load({ ...append, url, connections: 64, seconds: 1 });
  }, storage);
  return storage;
}

async function start(context: Context): Promise<Sample> {
  const { fleet, subject } = context;
  const storage = await context.once(`storage ${subject.id}`, () => usedStorage(context));
  const begun = performance.now();
  return await fleet.withFresh(subject.id, async ({ url }) => {
    const response = await fetch(`${url}/ready`);
    const ready = performance.now() - begun;
    await response.body?.cancel();
    if (!response.ok) throw new Error(`/ready: ${response.status}`);
    return { values: { ready } };
  }, storage);
}

export const starts: readonly Scenario[] = [{
  id: "start",
  title: "start to ready, on existing data",
  targets: [15],
  metrics: [{ name: "ready", unit: "ms", better: "lower" }],
  subjects: PENSTOCK,
  notQuick: ["deno+postgres", "deno+embedded"],
  run: start,
}];
