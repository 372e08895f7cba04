/**
 * Load in a process of its own: a script of this folder, told what to do by a JSON argument, that
 * answers with lines of JSON. What it costs is then told apart from what the bench costs.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** Scripts under way, for a run that is interrupted. */
const running = new Set<ChildProcessByStdio<Writable, Readable, Readable>>();

export function killScripts(): void {
  for (const child of running) child.kill("SIGKILL");
}

export class Script {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  #errors = "";

  constructor(file: string, task: unknown) {
    const script = join(import.meta.dirname ?? ".", file);
    const args = ["run", "-A", "--quiet", script, JSON.stringify(task)];
    this.#child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    running.add(this.#child);
    this.#child.once("exit", () => running.delete(this.#child));
    this.#child.stderr.on("data", (chunk: Uint8Array) => {
      this.#errors = (this.#errors + new TextDecoder().decode(chunk)).slice(-1500);
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Its next line; what it wrote on standard error when it ends instead. */
  async answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(this.#errors.trim() || "the load generator ended early");
    return JSON.parse(value) as T;
  }

  /** Asks for the next answer. */
  tell(word: string): void {
    this.#child.stdin.write(word + "\n");
  }

  end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve();
    const exited = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    this.#child.kill("SIGKILL");
    return exited;
  }
}

/** Runs it to its only answer. */
export async function runScript<T>(file: string, task: unknown): Promise<T> {
  const script = new Script(file, task);
  try {
    return await script.answer<T>();
  } finally {
    await script.end();
  }
}
