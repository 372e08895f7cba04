/**
 * `--workers`: several nodes on one port, each a process of its own, and this one, which serves
 * nothing: it starts them, starts another for one that dies, and sends them all away in the end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import process from "node:process";
import type { Config } from "./config.ts";
import { claimPort } from "./listening_port.ts";
import { selfCommand } from "../platform.ts";
import type { Telemetry } from "../telemetry/events.ts";

/** In a worker's environment: its number. */
export const WORKER_VARIABLE = "PENSTOCK_WORKER";

/** Milliseconds before a worker that died is started again: the first time, and at most. */
const BACKOFF_MS = 100;
const MOST_BACKOFF_MS = 10_000;
/** A worker that lived this long was well: its next death counts as a first one. */
const WELL_MS = 10_000;
/** A little more than a node takes to go by itself. */
const STOP_MS = 35_000;
const PROBE_MS = 50;

interface Worker {
  readonly number: number;
  child: ChildProcess | undefined;
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
  /** A worker has listened: a worker that dies from now on is replaced. */
  #up = false;
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
      (_, at) => ({ number: at + 1, child: undefined, deaths: 0, timer: undefined }),
    );
  }

  /**
   * Runs until it is stopped. Resolves with the exit code.
   * @throws Error when the address cannot be had
   */
  async run(): Promise<number> {
    const ended = new Promise<number>((resolve) => this.#exit = resolve);
    // Ports are shared among the workers: that nobody else has this one is found out here.
    this.#port = await claimPort(this.#config.host, this.#config.port);
    this.#telemetry.report({
      event: "supervising",
      workers: this.#workers.length,
      port: this.#port,
    });
    for (const worker of this.#workers) this.#start(worker);
    this.#awaitUp();
    return await ended;
  }

  /** The first time all workers are sent away; the second time they are killed. */
  stop(reason: string): void {
    if (this.#stopping) {
      this.#telemetry.report({ event: "stop_forced", reason: `second ${reason}` });
      this.#code = 130;
      this.#signal("SIGKILL");
      return;
    }
    this.#stopping = true;
    this.#telemetry.report({ event: "stopping_workers", reason });
    for (const { timer } of this.#workers) clearTimeout(timer);
    this.#signal("SIGTERM");
    this.#limit = setTimeout(() => {
      this.#telemetry.report({ event: "stop_forced", reason: "workers did not end" });
      this.#code ||= 1;
      this.#signal("SIGKILL");
    }, STOP_MS + this.#config.drainDelayMs);
    this.#endIfAlone();
  }

  #start(worker: Worker): void {
    const { command, args } = selfCommand();
    const began = performance.now();
    const child = spawn(
      command,
      // Of a flag given twice the last one counts.
      [...args, ...this.#args, "--workers=1", `--port=${this.#port}`],
      {
        stdio: ["pipe", "inherit", "inherit"],
        env: { ...process.env, [WORKER_VARIABLE]: String(worker.number) },
      },
    );
    worker.child = child;
    child.stdin?.on("error", () => {});
    let gone = false;
    const onGone = (reason: string, code: number | null) => {
      if (gone) return;
      gone = true;
      worker.child = undefined;
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
      if (code !== 0 && reason !== "SIGTERM") this.#code ||= 1;
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

  #signal(signal: "SIGTERM" | "SIGKILL"): void {
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

  #awaitUp(): void {
    const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[this.#config.host] ?? this.#config.host;
    const socket = connect({ host, port: this.#port });
    socket.once("connect", () => {
      this.#up = true;
      socket.destroy();
    });
    socket.once("error", () => {
      if (!this.#stopping) setTimeout(() => this.#awaitUp(), PROBE_MS);
    });
  }
}
