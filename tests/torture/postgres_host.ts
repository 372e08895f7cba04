/**
 * Runs PostgreSQL servers for as long as its own standard input is open, and executes commands on
 * them: so the servers end with the process that started it, however that ended.
 *
 * Speaks lines of JSON: `{"id", "do", "server", …}` in, `{"id", "result"}` or `{"id", "error"}` out.
 * A process of its own for the reason tests/support/postgres_process.ts gives.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { appendFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { Disk } from "./disk.ts";
import { type Account, account, COLLATION, unpack } from "../support/postgres_process.ts";

const run = promisify(execFile);
const START_TRIES = 40;
const START_PAUSE_MS = 250;

const SETTINGS: Record<string, string> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "60",
  wal_keep_size: "512MB",
  wal_receiver_status_interval: "1s",
  wal_retrieve_retry_interval: "500ms",
  wal_sender_timeout: "10s",
  wal_receiver_timeout: "10s",
  // One disk, several runs: the flushes that promises rest on stay on, all else may be lazy.
  checkpoint_timeout: "60s",
};

export interface Command {
  readonly id: number;
  readonly do: "add" | "init" | "start" | "stop" | "signal" | "copy" | "label" | "fill" | "free";
  readonly server: string;
  /** stop: SIGINT is fast, SIGQUIT immediate. */
  readonly signal?: "SIGINT" | "SIGQUIT" | "SIGKILL" | "SIGSTOP" | "SIGCONT";
  /** copy: the server whose files become this one's. */
  readonly from?: string;
  /** copy: the port where the standby finds its primary. */
  readonly primary?: number;
  /** label: the contents of `backup_label`. */
  readonly label?: string;
  /** add: puts the data on a disk of its own of this size, where that can be had. */
  readonly disk?: number;
}

class Server {
  #child: ChildProcess | undefined;
  #said = "";
  disk: Disk | null = null;
  readonly data: string;
  readonly #folder: string;

  constructor(
    root: string,
    name: string,
    readonly bin: string,
    readonly owner: Account,
    readonly port: number,
  ) {
    this.#folder = join(root, name);
    this.data = join(this.#folder, "data");
  }

  /** Whether the data has a disk of its own. */
  prepare(disk: number | undefined): boolean {
    mkdirSync(this.#folder, { recursive: true });
    if (disk !== undefined) this.disk = Disk.mount(this.#folder, disk);
    chmodSync(this.#folder, 0o755);
    this.#makeData();
    return this.disk !== null;
  }

  async initialise(): Promise<void> {
    await run(join(this.bin, "initdb"), [
      `--pgdata=${this.data}`,
      "--username=postgres",
      "--auth=trust",
      "--no-sync",
      ...COLLATION,
    ], { ...this.owner, cwd: this.data });
    appendFileSync(
      join(this.data, "pg_hba.conf"),
      "\nhost replication all 127.0.0.1/32 trust\n",
    );
  }

  /** Nothing when it runs. A server that was killed leaves what takes a moment to go: tries again. */
  async start(): Promise<void> {
    for (let tries = 1; !this.running; tries++) {
      try {
        return await this.#startOnce();
      } catch (error) {
        if (tries >= START_TRIES) throw error;
        await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
      }
    }
  }

  #startOnce(): Promise<void> {
    const flags = Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(
      join(this.bin, "postgres"),
      ["-D", this.data, "-p", String(this.port), ...flags],
      { ...this.owner, cwd: this.data, stdio: ["ignore", "ignore", "pipe"] },
    );
    this.#child = child;
    this.#said = "";
    return new Promise((resolve, reject) => {
      child.stderr?.on("data", (chunk: Uint8Array) => {
        const text = new TextDecoder().decode(chunk);
        this.#said = (this.#said + text).slice(-4000);
        // A standby says "read-only connections".
        if (/ready to accept (read-only )?connections/.test(text)) resolve();
      });
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`PostgreSQL ended: ${this.#said}`)));
    });
  }

  get running(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    if (!this.running) return;
    const child = this.#child!;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    this.signal("SIGCONT");
    process.kill(child.pid!, signal);
    await ended;
  }

  /** The server and every process of it: a stopped postmaster alone leaves them answering. */
  signal(signal: NodeJS.Signals): void {
    if (!this.running) return;
    const pid = this.#child!.pid!;
    process.kill(pid, signal);
    let children = "";
    try {
      children = execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8", stdio: "pipe" });
    } catch {
      // pgrep exits with 1 when there is no child.
    }
    for (const child of children.split("\n").filter(Boolean)) {
      try {
        process.kill(Number(child), signal);
      } catch {
        // Gone meanwhile.
      }
    }
  }

  /** Becomes a standby with the files of a server that is in a backup, or stopped. */
  async copy(from: Server, primary: number): Promise<void> {
    rmSync(this.data, { recursive: true, force: true });
    // Files that vanish meanwhile make `cp` complain: what they held is in the WAL.
    await run("cp", ["-a", from.data, this.data], { maxBuffer: 1 << 26 }).catch(() => {});
    for (const name of ["postmaster.pid", "postmaster.opts", "standby.signal", "backup_label"]) {
      rmSync(join(this.data, name), { force: true });
    }
    const settings = join(this.data, "postgresql.auto.conf");
    writeFileSync(
      settings,
      `primary_conninfo = 'host=127.0.0.1 port=${primary} user=postgres'\n`,
    );
    writeFileSync(join(this.data, "standby.signal"), "");
    for (const name of [settings, join(this.data, "standby.signal")]) this.#own(name);
    chmodSync(this.data, 0o700);
  }

  /** Says where recovery of the copied files begins. */
  label(text: string): void {
    const name = join(this.data, "backup_label");
    writeFileSync(name, text);
    this.#own(name);
  }

  async remove(): Promise<void> {
    await this.stop("SIGKILL");
    this.disk?.unmount();
  }

  #makeData(): void {
    if (existsSync(this.data)) return;
    mkdirSync(this.data, { mode: 0o700 });
    this.#own(this.data);
  }

  #own(path: string): void {
    const { uid, gid } = this.owner;
    if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address!.port : 0));
    });
  });
}

async function obey(
  command: Command,
  servers: Map<string, Server>,
  make: (name: string) => Promise<Server>,
): Promise<unknown> {
  if (command.do === "add") {
    const server = await make(command.server);
    servers.set(command.server, server);
    return { port: server.port, disk: server.prepare(command.disk) };
  }
  const server = servers.get(command.server);
  if (server === undefined) throw new Error(`there is no server ${command.server}`);
  switch (command.do) {
    case "init":
      return await server.initialise();
    case "start":
      return await server.start();
    case "stop":
      return await server.stop(command.signal ?? "SIGINT");
    case "signal":
      return server.signal(command.signal!);
    case "copy":
      return await server.copy(servers.get(command.from!)!, command.primary!);
    case "label":
      return server.label(command.label!);
    case "fill":
      return server.disk?.fill();
    case "free":
      return server.disk?.free();
  }
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-torture-"));
  const servers = new Map<string, Server>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const commands = createInterface({ input: process.stdin });
  const ended = new Promise<void>((resolve) => commands.once("close", resolve));
  const owner = account();
  const bin = await unpack(folder, owner);
  const make = async (name: string) => new Server(folder, name, bin, owner, await freePort());
  const say = (line: unknown) => process.stdout.write(JSON.stringify(line) + "\n");
  const underWay = new Set<Promise<void>>();
  commands.on("line", (line) => {
    const command = JSON.parse(line) as Command;
    const work: Promise<void> = obey(command, servers, make).then(
      (result) => void say({ id: command.id, result: result ?? null }),
      (error: unknown) => void say({ id: command.id, error: String(error) }),
    ).finally(() => underWay.delete(work));
    underWay.add(work);
  });
  say({ id: 0, result: null });
  await ended;
  for (const server of servers.values()) await server.remove();
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}

if (import.meta.main) await main();
