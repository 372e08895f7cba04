/** What all clients of a run share. */
import { Client } from "./client.ts";
import type { HistoryRecorder } from "./history.ts";
import type { Random } from "./random.ts";
import type { RecordShape } from "./records.ts";
import type { StreamName } from "./stream_name.ts";

/** How long after the last fault everybody must have got what they wait for. */
const RECOVERY_MS = 30_000;

export class RunState {
  /** No new streams, no new faults. */
  ending = false;
  /** When the last fault was over; null while there are any. */
  healedAt: number | null = null;
  /** Streams in use now. */
  readonly open = new Set<StreamName>();
  #clients = 0;

  constructor(
    readonly ports: readonly number[],
    readonly history: HistoryRecorder,
    /** Milliseconds between two appends of a writer, about. */
    readonly thinkMs: number,
  ) {}

  client(kind: string): Client {
    return new Client(`${kind}-${++this.#clients}`, this.ports, this.history);
  }

  node(random: Random): number {
    return random.between(0, this.ports.length - 1);
  }

  /** Whether the last fault is so long over that a client that still waits will wait for ever. */
  get overdue(): boolean {
    return this.healedAt !== null && performance.now() > this.healedAt + RECOVERY_MS;
  }

  /** A record of a size that is mostly small. */
  record(path: string, random: Random): RecordShape {
    const parts = random.chance(0.1) ? random.between(2, 4) : 1;
    const size = random.weighted({ small: 90, medium: 9, large: 1 });
    const pad = { small: 150, medium: 3000, large: 80_000 }[size];
    return this.history.newRecord(path, parts, random.between(0, pad));
  }

  /** Repeats the attempt on random nodes until its outcome is known; null when it is overdue. */
  async insist<T extends { readonly outcome: string }>(
    random: Random,
    attempt: (node: number) => Promise<T>,
  ): Promise<T | null> {
    while (true) {
      const done = await attempt(this.node(random));
      if (done.outcome !== "unknown") return done;
      if (this.overdue) return null;
      await sleep(random.between(50, 300));
    }
  }

  think(random: Random): Promise<void> {
    return sleep(random.between(0, this.thinkMs * 2));
  }
}

/** What clients do between two requests. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
