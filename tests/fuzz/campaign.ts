/** One campaign: a server of its own, warm-up, the requests, and what is left when it is idle. */
import assert from "node:assert/strict";
import { freshStorage, type Kind } from "../system/support.ts";
import { type Runtime, startServer } from "../support/server.ts";
import { type Failure, Fuzzer } from "./fuzzer.ts";
import { HAS_PROC, type Resources, settledResources } from "./resources.ts";
import { Sentinel } from "./sentinel.ts";

export interface CampaignOptions {
  readonly seed: number;
  /** The first case. */
  readonly from?: number;
  readonly requests: number;
  readonly runtime: Runtime;
  readonly kind: Kind;
  /** How often, in requests, the sentinel is looked at and resources are measured. */
  readonly every: number;
  /** With next to no room for bodies, pages and followers. */
  readonly pressed?: boolean;
  readonly say?: (line: string) => void;
}

export interface CampaignResult {
  readonly requests: number;
  readonly seconds: number;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly failures: readonly Failure[];
  /** What the server logged about requests that failed. */
  readonly logged: readonly string[];
  /** After each part, idle. */
  readonly measured: readonly Resources[];
}

/** Connections to the database come and go. */
const SOCKETS_SLACK = 4;
/** The embedded database opens a file for each new piece of its tables and its log. */
const FILES_SLACK = 60;

const PRESSED = ["--max-buffered-bytes", "16KiB", "--max-followers", "2", "--body-timeout", "1s"];

/** @throws when the server ended, or no longer does what it must */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { seed, requests, runtime, kind, every, pressed = false, say = () => {} } = options;
  const storage = await freshStorage(kind);
  const server = await startServer({
    runtime,
    database: storage.database,
    args: ["--long-poll-timeout", "100ms", ...pressed ? PRESSED : []],
  });
  const started = performance.now();
  try {
    const sentinel = await Sentinel.create(server.url);
    const fuzzer = new Fuzzer(
      { port: Number(new URL(server.url).port), pipelines: runtime === "deno", pressed },
      seed,
      options.from,
    );
    const { tally } = fuzzer;
    const measured: Resources[] = [];
    while (tally.requests < requests && tally.failures.length === 0) {
      await fuzzer.run(Math.min(requests, tally.requests + every));
      const { exitCode, signalCode } = server.process;
      assert.ok(exitCode === null && signalCode === null, `the server ended: ${server.stderr()}`);
      await sentinel.check();
      if (!HAS_PROC) continue;
      const now = await settledResources(server.process.pid!);
      measured.push(now);
      say(
        `${tally.requests} requests: ${now.memory} MiB, ${now.sockets} sockets, ${now.files} files open`,
      );
    }
    const seconds = (performance.now() - started) / 1000;
    const { failures, outcomes } = tally;
    const logged = server.logs.filter((line) => line.includes('"request_failed"'));
    return { requests: tally.requests, seconds, outcomes, failures, measured, logged };
  } finally {
    await server.kill();
    await storage.remove();
  }
}

/** @throws when memory or open files have grown since the warm-up */
export function assertNothingLeaked(measured: readonly Resources[], slackMiB: number): void {
  const [warm, last] = [measured[Math.floor(measured.length / 3)], measured.at(-1)];
  if (warm === undefined || last === undefined) return;
  const said = JSON.stringify(measured);
  assert.ok(last.sockets <= warm.sockets + SOCKETS_SLACK, `sockets stay open: ${said}`);
  assert.ok(last.files <= warm.files + FILES_SLACK, `open files grow: ${said}`);
  assert.ok(last.memory <= warm.memory + slackMiB, `memory grows: ${said}`);
}
