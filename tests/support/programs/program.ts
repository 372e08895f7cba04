/**
 * Runs real programs (nginx, HAProxy, PgBouncer …) for tests, on machines that have them.
 *
 * A program runs under an account without privileges when the tests run as root, because PgBouncer
 * refuses root and the others would otherwise behave differently from an ordinary user's. Its folder
 * belongs to that account and is removed when the program is stopped.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { accessSync, chmodSync, chownSync, constants, mkdtempSync, rmSync } from "node:fs";
import { statSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { type Account, account } from "../postgres_process.ts";

const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 5_000;
const POLL_MS = 20;
const KEPT_OUTPUT = 64_000;
const START_ATTEMPTS = 3;

/** Debian puts servers here, and an ordinary user's PATH often leaves it out. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/** The names under which distributions ship one program. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  chromium: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
};

/** The path of an installed program, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...SYSTEM_FOLDERS];
  const candidates = (NAMES[name] ?? [name]).flatMap((known) =>
    folders.filter(Boolean).map((folder) => join(folder, known))
  );
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The first `1.2` or `1.2.3` of what the program says about itself; undefined if not installed. */
export function programVersion(name: string): string | undefined {
  const path = findProgram(name);
  if (path === undefined) return undefined;
  // HAProxy and nginx know -v only, Caddy knows neither; all of them know one of these.
  for (const argument of ["--version", "-v", "version"]) {
    const { stdout, stderr } = spawnSync(path, [argument], { encoding: "utf8", timeout: 20_000 });
    const version = /\b\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`)?.[0];
    if (version !== undefined) return version;
  }
  return undefined;
}

/** Those of the names that are not installed here. */
export function missingPrograms(names: readonly string[]): string[] {
  return names.filter((name) => findProgram(name) === undefined);
}

/** A test that is skipped, with a printed line, where one of the programs is not installed. */
export function testWith(
  programs: readonly string[],
  name: string,
  fn: (context: Deno.TestContext) => void | Promise<void>,
): void {
  const missing = missingPrograms(programs);
  if (missing.length > 0) {
    const verb = missing.length === 1 ? "is" : "are";
    console.log(`skipped: ${missing.join(", ")} ${verb} not installed (${name})`);
  }
  Deno.test({ name, ignore: missing.length > 0, fn });
}

/** Where a program runs: what its configuration is made from. */
export interface Place {
  /** A port of 127.0.0.1 for it to listen on. */
  readonly port: number;
  /** A folder of its own, which is also its working directory. */
  readonly folder: string;
}

/** A text with `{{port}}` and `{{folder}}` (and what else the place has), or a function of them. */
export type Configuration<Values extends Place = Place> = string | ((values: Values) => string);

/** @throws Error when the text has a placeholder that the values lack */
export function configure<Values extends Place>(
  configuration: Configuration<Values>,
  values: Values,
): string {
  if (typeof configuration === "function") return configuration(values);
  return configuration.replace(/\{\{(\w+)\}\}/g, (placeholder, key: string) => {
    const value = (values as unknown as Record<string, unknown>)[key];
    if (value === undefined) throw new Error(`${placeholder}: there is no such value`);
    return String(value);
  });
}

export interface ProgramOptions {
  readonly args: (place: Place) => readonly string[];
  /** Files to write into its folder: names to texts. */
  readonly files?: (place: Place) => Readonly<Record<string, string>>;
  /** Added to a small environment that has nothing of the tests' own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Listens here instead of on a free port. */
  readonly port?: number;
  /** A path that answers 200 once the program is ready, where an open port is not enough. */
  readonly readyPath?: string;
}

export interface RunningProgram extends Place, AsyncDisposable {
  readonly name: string;
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  /** The end of what it wrote to standard output and standard error, at most 64,000 characters. */
  output(): string;
  /** Resolves when its output, past or future, matches; throws after `ms`. */
  printed(pattern: RegExp, ms?: number): Promise<void>;
  /** For instance SIGHUP, at which nginx reads its configuration again. */
  signal(signal: NodeJS.Signals): void;
  /**
   * SIGTERM, and SIGKILL after `ms` (5 s unless told); waits for its end and removes its folder.
   * Calling it twice is harmless.
   */
  stop(ms?: number): Promise<void>;
}

/** Resolves once its port takes connections; throws with its output when it ends before. */
export async function startProgram(name: string, options: ProgramOptions): Promise<RunningProgram> {
  for (let attempt = 1;; attempt++) {
    const program = new Program(name, options.port ?? await freePort());
    try {
      program.start(options);
      await program.ready(options.readyPath);
      return program;
    } catch (error) {
      await program.stop();
      // Between our look and its bind, somebody else has taken the port.
      const taken = /address (already )?in use|cannot bind/i.test(program.output());
      if (!taken || options.port !== undefined || attempt === START_ATTEMPTS) throw error;
    }
  }
}

class Program implements RunningProgram {
  readonly folder: string;
  readonly #owner: Account = account();
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #exited = false;
  #output = "";
  #stopping: Promise<void> | undefined;
  readonly #kill = () => this.#killAll();

  constructor(readonly name: string, readonly port: number) {
    this.folder = mkdtempSync(join(tmpdir(), `penstock-${name}-`));
    chmodSync(this.folder, 0o755);
    this.#own(this.folder);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  start(options: ProgramOptions): void {
    const path = findProgram(this.name);
    if (path === undefined) throw new Error(`${this.name} is not installed`);
    for (const [file, text] of Object.entries(options.files?.(this) ?? {})) {
      writeFileSync(join(this.folder, file), text);
      this.#own(join(this.folder, file));
    }
    const { PATH = "/usr/bin:/bin", LANG = "C.UTF-8" } = process.env;
    const home = { HOME: this.folder, XDG_DATA_HOME: this.folder, XDG_CONFIG_HOME: this.folder };
    const child = spawn(path, [...options.args(this)], {
      ...this.#owner,
      cwd: this.folder,
      env: { PATH, LANG, TMPDIR: this.folder, ...home, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    child.once("exit", () => this.#exited = true);
    this.#ended = once(child, "close").catch((error: unknown) => {
      this.#exited = true;
      this.#append(String(error));
    });
    // The tests' process may exit with a test under way.
    process.on("exit", this.#kill);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Uint8Array) => this.#append(new TextDecoder().decode(chunk)));
    }
  }

  async ready(path: string | undefined): Promise<void> {
    await poll(START_LIMIT_MS, () => `${this.name} is not ready: ${this.output()}`, async () => {
      if (this.#exited) {
        await this.stop(); // Until then it may have printed more.
        throw new Error(`${this.name} ended: ${this.output()}`);
      }
      return path === undefined ? await accepts(this.port) : await isOk(this.url + path);
    });
  }

  output(): string {
    return this.#output;
  }

  async printed(pattern: RegExp, ms = 10_000): Promise<void> {
    const failure = () => `${this.name} did not print ${pattern} but: ${this.output()}`;
    await poll(ms, failure, () => pattern.test(this.#output));
  }

  signal(signal: NodeJS.Signals): void {
    // Not by ChildProcess.kill: after one signal Deno takes the process for ended, and a second
    // one is not sent.
    if (this.pid !== 0 && !this.#exited) send(this.pid, signal);
  }

  stop(ms = STOP_LIMIT_MS): Promise<void> {
    return this.#stopping ??= this.#stop(ms);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(ms: number): Promise<void> {
    this.signal("SIGTERM");
    const limit = setTimeout(() => {
      this.#killAll();
      // A worker that outlived its master would keep the pipes open.
      this.#child?.stdout?.destroy();
      this.#child?.stderr?.destroy();
    }, ms);
    await this.#ended;
    clearTimeout(limit);
    process.off("exit", this.#kill);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Kills the workers too: a master that is killed leaves nginx's workers behind. */
  #killAll(): void {
    if (this.pid === 0 || this.#exited) return;
    const { stdout } = spawnSync("pgrep", ["-P", String(this.pid)], { encoding: "utf8" });
    this.signal("SIGKILL");
    for (const worker of (stdout ?? "").split("\n").filter(Boolean)) {
      send(Number(worker), "SIGKILL");
    }
  }

  #append(text: string): void {
    this.#output = (this.#output + text).slice(-KEPT_OUTPUT);
  }

  #own(path: string): void {
    const { uid, gid } = this.#owner;
    if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
  }
}

/** Asks again every 20 ms, which only ever delays a test; throws with the failure after `ms`. */
export async function poll(
  ms: number,
  failure: () => string,
  ask: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!await ask()) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${failure()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const done = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.setTimeout(1000, () => done(false));
    socket.once("connect", () => done(true)).once("error", () => done(false));
  });
}

async function isOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** A port of 127.0.0.1 that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address !== null && typeof address === "object" ? address.port : 0;
}
