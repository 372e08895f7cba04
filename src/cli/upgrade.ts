/**
 * An upgrade while the port is served. SIGUSR2 starts the program anew from the file that it was
 * started from, which may have been replaced, on the same port. Once the new process serves, this
 * one hands over. If the new process cannot start, this one goes on as if nothing had been asked.
 */
import type { ChildProcess } from "node:child_process";
import process from "node:process";
import { canSharePort, sharesPorts } from "../platform.ts";
import type { Telemetry } from "../telemetry/events.ts";
import type { Config } from "./config.ts";
import { spawnSelf, SUCCESSOR_VARIABLE } from "./self_process.ts";

/** Why this process cannot have a successor on its port while it serves; null: it can. */
export function upgradeObstacle(config: Config): string | null {
  // A supervisor listens to nothing itself.
  if (config.workers > 1 ? !sharesPorts() : !canSharePort()) {
    return "processes share a port on Linux only, and on Deno only with --unstable-net";
  }
  if (config.databaseUrl === null) return "the embedded database serves one process only";
  return null;
}

export interface UpgradeOptions {
  /** Of this process's command line, without the program's own name. */
  readonly args: readonly string[];
  readonly config: Config;
  /** The port that this process serves on. */
  readonly port: number;
  readonly telemetry: Telemetry;
  /** Called once a successor serves. */
  readonly handOver: (reason: string) => void;
}

export class Upgrade {
  readonly #options: UpgradeOptions;
  #successor: ChildProcess | undefined;
  #serves = false;
  #stopped = false;

  constructor(options: UpgradeOptions) {
    this.#options = options;
  }

  /** Starts a successor, unless one is starting. */
  start(): void {
    if (this.#successor !== undefined || this.#stopped) return;
    const { args, config, port, telemetry, handOver } = this.#options;
    const obstacle = upgradeObstacle(config);
    if (obstacle !== null) {
      return telemetry.report({ event: "upgrade_failed", reason: obstacle });
    }
    // Of a flag given twice the last one counts: the port may have been picked by the system.
    const child = spawnSelf([...args, `--port=${port}`], {
      stdin: "ignore",
      env: { [SUCCESSOR_VARIABLE]: String(process.pid) },
    }, () => {
      if (this.#stopped) return;
      this.#serves = true;
      handOver(`process ${child.pid} has taken over`);
    });
    this.#successor = child;
    telemetry.report({ event: "upgrade_started", pid: child.pid ?? null });
    const failed = (reason: string) => {
      if (this.#serves || this.#successor === undefined) return;
      this.#successor = undefined;
      if (!this.#stopped) telemetry.report({ event: "upgrade_failed", reason });
    };
    child.once("exit", (code, signal) => failed(`it ended with ${signal ?? `code ${code}`}`));
    child.once("error", (error) => failed(error.message));
  }

  /** A successor that does not serve yet is not wanted any more. */
  stop(): void {
    this.#stopped = true;
    const pid = this.#successor?.pid;
    if (pid === undefined || this.#serves) return;
    try {
      process.kill(pid, "SIGTERM");
    } catch {
      // It has just ended.
    }
  }
}
