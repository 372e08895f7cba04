/**
 * `--workers`: several nodes on one port, each a process of its own, and this one, which serves
 * nothing: it starts them, starts another for one that dies, and sends them all away in the end.
 */
import type { ChildProcess } from "node:child_process";
import process from "node:process";
import type { Config } from "./config.ts";
import { claimPort } from "./listening_port.ts";
import { announceServing, isSuccessor, spawnSelf, SUCCESSOR_VARIABLE } from "./self_process.ts";
import { notifyReady, notifyStopping } from "./service_manager.ts";
import type { Telemetry } from "../telemetry/events.ts";
import { Upgrade } from "./upgrade.ts";

/** In a worker's environment: its number. */
export const WORKER_VARIABLE = "PENSTOCK_WORKER";

/** Milliseconds before a worker that died is started again: the first time, and at most. */
const BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 10_000;
/** A worker that lived this long was well: its next death counts as a first one. */
const WELL_MS = 10_000;
/** A little more than a node takes to go by itself. */
const STOP_MS = 35_000;

interface Worker {
  readonly number: number;
  child: ChildProcess | undefined;
  /** It serves, and its process has not ended since. */
  serving: boolean;
  deaths: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Which worker this process is, or null: none. */
export function workerNumber(): number | null {
  const text = process.env[WORKER_VARIABLE];
  return text === undefined || text === "" ? null : Number(text);
}

/**
 * A worker's life hangs on the supervisor's: its standard input ends when that is gone, however it
 * went. What else it is told to go by (a terminal's Ctrl-C, systemd) comes to all of them.
 */
export function whenSupervisorLeaves(leave: (reason: string) => void): void {
  process.stdin.on("end", () => leave("the supervisor is gone"));
  process.stdin.on("error", () => leave("the supervisor is gone"));
  process.stdin.resume();
}

export class Supervisor {
  readonly #args: readonly string[];
  readonly #config: Config;
  readonly #telemetry: Telemetry;
  readonly #workers: Worker[];
  #port = 0;
  /** A worker has served: a worker that dies from now on is replaced. */
  #up = false;
  /** All workers have served at the same time, and those that wait for it know. */
  #announced = false;
  #upgrade: Upgrade | undefined;
  #stopping = false;
  #exit: (code: number) => void = () => {};
  #limit: ReturnType<typeof setTimeout> | undefined;
  #code = 0;

  /** @param args of the command line, without the program's own name */
  constructor(args: readonly string[], config: Config, telemetry: Telemetry) {
    this.#args = args;
    this.#config = config;
    this.#telemetry = telemetry;
    this.#workers = Array.from(
      { length: config.workers },
      (_, at) => ({
        number: at + 1,
        child: undefined,
        serving: false,
        deaths: 0,
        timer: undefined,
      }),
    );
  }

  /**
   * Runs until it is stopped. Resolves with the exit code.
   * @throws Error when the address cannot be had
   */
  async run(): Promise<number> {
    const ended = new Promise<number>((resolve) => this.#exit = resolve);
    // Ports are shared among the workers: that nobody else has this one is found out here.
    const { host, port } = this.#config;
    this.#port = isSuccessor() ? port : await claimPort(host, port);
    this.#telemetry.report({
      event: "supervising",
      workers: this.#workers.length,
      port: this.#port,
    });
    for (const worker of this.#workers) this.#start(worker);
    return await ended;
  }

  /** Starts a supervisor anew, which takes over with workers of its own. */
  upgrade(): void {
    this.#upgrade ??= new Upgrade({
      args: this.#args,
      config: this.#config,
      port: this.#port,
      telemetry: this.#telemetry,
      handOver: (reason) => this.stop(reason, { successor: true }),
    });
    this.#upgrade.start();
  }

  /** The first time all workers are sent away; the second time they are killed. */
  stop(reason: string, { successor = false } = {}): void {
    if (this.#stopping) {
      this.#telemetry.report({ event: "stop_forced", reason: `second ${reason}` });
      this.#code = 130;
      this.#signal("SIGKILL");
      return;
    }
    this.#stopping = true;
    this.#telemetry.report({ event: "stopping_workers", reason });
    this.#upgrade?.stop();
    if (!successor) void notifyStopping(this.#telemetry);
    for (const { timer } of this.#workers) clearTimeout(timer);
    // Workers that hand over stay ready until they end.
    this.#signal(successor ? "SIGUSR2" : "SIGTERM");
    this.#limit = setTimeout(() => {
      this.#telemetry.report({ event: "stop_forced", reason: "workers did not end" });
      this.#code ||= 1;
      this.#signal("SIGKILL");
    }, STOP_MS + this.#config.drainDelayMs);
    this.#endIfAlone();
  }

  /** Sends the signal to all workers. */
  passOn(signal: "SIGHUP"): void {
    this.#signal(signal);
  }

  #start(worker: Worker): void {
    const began = performance.now();
    // Of a flag given twice the last one counts.
    const child = spawnSelf([...this.#args, "--workers=1", `--port=${this.#port}`], {
      stdin: "pipe",
      env: {
        [WORKER_VARIABLE]: String(worker.number),
        [SUCCESSOR_VARIABLE]: undefined,
        // What systemd is told is told by this process.
        NOTIFY_SOCKET: undefined,
      },
    }, () => this.#onServing(worker));
    worker.child = child;
    let gone = false;
    const onGone = (reason: string, code: number | null) => {
      if (gone) return;
      gone = true;
      worker.child = undefined;
      worker.serving = false;
      this.#onGone(worker, { reason, code, lived: performance.now() - began });
    };
    child.once("exit", (code, signal) => onGone(signal ?? `exit code ${code}`, code));
    child.once("error", (error) => onGone(error.message, null));
    this.#telemetry.report({
      event: "worker_started",
      worker: worker.number,
      pid: child.pid ?? null,
    });
  }

  #onGone(
    worker: Worker,
    { reason, code, lived }: { reason: string; code: number | null; lived: number },
  ): void {
    if (this.#stopping) {
      // One that was still starting knows no better than to die of the signal.
      if (code !== 0 && reason !== "SIGTERM" && reason !== "SIGUSR2") this.#code ||= 1;
      return this.#endIfAlone();
    }
    if (!this.#up && code !== null) {
      // What it could not start with, the others cannot either; it has said why.
      this.#code = code || 1;
      return this.stop(`worker ${worker.number} could not start`);
    }
    worker.deaths = lived > WELL_MS ? 1 : worker.deaths + 1;
    const restartMs = Math.min(BACKOFF_MS * 2 ** (worker.deaths - 1), MOST_BACKOFF_MS);
    this.#telemetry.report({ event: "worker_died", worker: worker.number, reason, restartMs });
    worker.timer = setTimeout(() => this.#start(worker), restartMs);
  }

  #signal(signal: "SIGTERM" | "SIGKILL" | "SIGUSR2" | "SIGHUP"): void {
    for (const { child } of this.#workers) {
      if (child?.pid === undefined) continue;
      try {
        process.kill(child.pid, signal);
      } catch {
        // It has just ended: its exit is on the way.
      }
    }
  }

  #endIfAlone(): void {
    if (this.#workers.some(({ child }) => child !== undefined)) return;
    clearTimeout(this.#limit);
    this.#telemetry.report({ event: "stopped" });
    this.#exit(this.#code);
  }

  async #onServing(worker: Worker): Promise<void> {
    this.#up = true;
    worker.serving = true;
    if (this.#announced || !this.#workers.every(({ serving }) => serving)) return;
    this.#announced = true;
    await notifyReady(`${this.#config.host} port ${this.#port}`, this.#telemetry);
    announceServing();
  }
}
