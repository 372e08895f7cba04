/** When to sweep: every few seconds, at once while there is more, and never two at a time. */
import type { Database } from "../../storage/database.ts";
import type { Telemetry } from "../../telemetry/events.ts";
import { sweep } from "./sweep.ts";

/** Milliseconds between sweeps, spread so that nodes do not sweep in step. */
const IDLE_MS = 5000;
/** A pause between steps leaves the database to those who wait for an answer. */
const BUSY_MS = 20;

export class Sweeper {
  readonly #database: Database;
  readonly #telemetry: Telemetry;
  readonly #onEnded: (ids: readonly number[]) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    database: Database,
    telemetry: Telemetry,
    onEnded: (ids: readonly number[]) => void,
  ) {
    this.#database = database;
    this.#telemetry = telemetry;
    this.#onEnded = onEnded;
  }

  start(): void {
    this.#later(IDLE_MS * Math.random());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#underWay;
  }

  #later(ms: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#underWay = this.#step(), ms);
  }

  async #step(): Promise<void> {
    let pause = IDLE_MS * (0.75 + Math.random() / 2);
    try {
      const report = await sweep(this.#database);
      if (report.ended.length > 0) this.#onEnded(report.ended);
      if (report.ended.length > 0 || report.reapedStreams > 0) {
        this.#telemetry.report({
          event: "swept",
          expired: report.ended.length,
          reaped: report.reapedStreams,
        });
      }
      if (report.more) pause = BUSY_MS;
    } catch (error) {
      this.#telemetry.report({ event: "sweep_failed", error });
    }
    this.#later(pause);
  }
}
