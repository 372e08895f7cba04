/** The nodes of a run, each behind a proxy that keeps its address when the node comes back. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type RunningServer, type Runtime, startServer } from "../support/server.ts";
import { TortureDatabase } from "./database.ts";
import { Disk } from "./disk.ts";
import { limitOpenFiles } from "./open_files.ts";
import { TcpProxy } from "./tcp_proxy.ts";

export const TOPOLOGIES = ["embedded", "nodes", "failover"] as const;
export type Topology = typeof TOPOLOGIES[number];

/** Short, so that a fault of some seconds is long. */
const ARGUMENTS = ["--database-timeout", "2s", "--long-poll-timeout", "4s"];
const EMBEDDED_DISK_BYTES = 1 << 29;
const CLOCK = join(import.meta.dirname ?? ".", "../system/wrong_clock.ts");
/** One node's clock is right, one an hour ahead, one a day behind. */
const SHIFTS_MS = [0, 3_600_000, -86_400_000];
const STEP_MS = -120_000;
const START_PAUSE_MS = 300;
/** Fewer than a node has open. */
const FEW_FILES = 3;

export interface ClusterOptions {
  readonly topology: Topology;
  /** Ignored where there is only one. */
  readonly nodes: number;
  readonly runtime: Runtime;
}

type Storage = { url: string } | { dataDir: string };

export class TortureNode {
  readonly front: TcpProxy;
  /** Starts so far. */
  starts = 0;
  #server: RunningServer | null = null;
  #wanted = false;
  #starting: Promise<void> | null = null;
  readonly #storage: Storage;
  readonly #runtime: Runtime;

  constructor(readonly index: number, front: TcpProxy, storage: Storage, runtime: Runtime) {
    this.front = front;
    this.#storage = storage;
    this.#runtime = runtime;
  }

  /** Its clock is off, and can be set: see tests/system/wrong_clock.ts. */
  get skewed(): boolean {
    return this.#runtime === "deno";
  }

  get #environment(): Record<string, string> {
    const shift = SHIFTS_MS[this.index % SHIFTS_MS.length];
    return { CLOCK_SHIFT_MS: String(shift), CLOCK_STEP_MS: String(STEP_MS) };
  }

  /** Starts it, again and again as a supervisor does, until it runs. */
  start(): Promise<void> {
    this.#wanted = true;
    return this.#starting ??= this.#insist().finally(() => this.#starting = null);
  }

  /** No goodbye. */
  async kill(): Promise<void> {
    this.#wanted = false;
    await this.#starting;
    this.front.point(null);
    await this.#server?.kill();
    this.#server = null;
  }

  /** Asks it to go, and waits. Returns its exit code. */
  async terminate(): Promise<number | null> {
    this.#wanted = false;
    await this.#starting;
    this.front.point(null);
    const code = await this.#server?.stop() ?? null;
    this.#server = null;
    return code;
  }

  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGWINCH"): void {
    const pid = this.#server?.process.pid;
    if (pid !== undefined) process.kill(pid, signal);
  }

  /** None beyond those it has open, or as many as before. */
  limitOpenFiles(limited: boolean): void {
    const pid = this.#server?.process.pid;
    if (pid === undefined) return;
    if (limited) {
      this.#openFiles ??= { pid, limit: limitOpenFiles(pid, FEW_FILES) };
    } else {
      // One that was started since has a limit of its own.
      if (this.#openFiles?.pid === pid) limitOpenFiles(pid, this.#openFiles.limit);
      this.#openFiles = null;
    }
  }

  #openFiles: { readonly pid: number; readonly limit: number } | null = null;
  readonly #logs: (readonly string[])[] = [];

  /** All that it has logged, over all its starts. */
  get log(): string {
    return this.#logs.flat().join("\n");
  }

  /** What it logged last, each time it ended without being asked to. */
  readonly crashes: string[] = [];

  /** How often its runtime panicked while it could open no file. */
  panics = 0;

  async #insist(): Promise<void> {
    while (this.#wanted && this.#server === null) {
      try {
        this.#server = await startServer({
          runtime: this.#runtime,
          database: this.#storage,
          args: ARGUMENTS,
          ...this.skewed ? { preload: CLOCK, env: this.#environment } : {},
        });
      } catch {
        // The database is away, or the last process has not gone yet.
        await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
      }
    }
    if (this.#server === null) return;
    this.starts++;
    this.#logs.push(this.#server.logs);
    this.#watch(this.#server);
    const { port } = new URL(this.#server.url);
    this.front.point({ host: "127.0.0.1", port: Number(port) });
  }

  #watch(server: RunningServer): void {
    server.process.once("close", () => {
      if (!this.#wanted || this.#server !== server) return;
      // Deno itself may panic where it can open no file: docs/decisions.md. The report counts it.
      const panicked = this.#openFiles !== null && server.stderr().includes("panicked");
      if (panicked) this.panics++;
      else this.crashes.push([...server.logs.slice(-5), server.stderr()].join("\n"));
      this.#server = null;
      void this.start();
    });
  }
}

export class Cluster {
  private constructor(
    readonly topology: Topology,
    readonly nodes: readonly TortureNode[],
    /** Null: embedded. */
    readonly database: TortureDatabase | null,
    readonly remove: () => void,
    /** The embedded database's own, where it could be had. */
    readonly disk: Disk | null,
  ) {}

  static async start({ topology, nodes, runtime }: ClusterOptions): Promise<Cluster> {
    if (topology === "embedded") {
      const folder = mkdtempSync(join(tmpdir(), "penstock-torture-"));
      const disk = Disk.mount(folder, EMBEDDED_DISK_BYTES);
      const remove = () => {
        disk?.unmount();
        rmSync(folder, { recursive: true, force: true });
      };
      const storage = { dataDir: join(folder, "data") };
      return await Cluster.#with(topology, [storage], runtime, null, remove, disk);
    }
    const database = await TortureDatabase.start({
      nodes,
      standby: topology === "failover",
      disk: topology === "nodes",
    });
    const storages = Array.from({ length: nodes }, (_, at) => ({ url: database.urlFor(at) }));
    return await Cluster.#with(topology, storages, runtime, database, () => {}, null);
  }

  static async #with(
    topology: Topology,
    storages: readonly Storage[],
    runtime: Runtime,
    database: TortureDatabase | null,
    remove: () => void,
    disk: Disk | null,
  ): Promise<Cluster> {
    const nodes = await Promise.all(
      storages.map(async (storage, at) =>
        new TortureNode(at, await TcpProxy.start(), storage, runtime)
      ),
    );
    const cluster = new Cluster(topology, nodes, database, remove, disk);
    await Promise.all(nodes.map((node) => node.start()));
    return cluster;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    for (const node of this.nodes) node.front.stop();
    await this.database?.stop();
    this.remove();
  }
}
