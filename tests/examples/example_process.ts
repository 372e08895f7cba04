/** An example's own program, run as its README says, while a test watches what it prints. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { within } from "../support/waits.ts";

export const EXAMPLES = join(import.meta.dirname ?? ".", "../../examples");
const LIMIT_MS = 30_000;

export interface ExampleOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class ExampleProcess implements AsyncDisposable {
  readonly #child;
  readonly #closed: Promise<unknown>;
  #output = "";
  #heard = Promise.withResolvers<void>();
  #ended = false;

  constructor(command: string, args: readonly string[], { cwd, env }: ExampleOptions = {}) {
    this.#child = spawn(command, [...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const hear = (chunk?: Uint8Array) => {
      if (chunk !== undefined) this.#output += new TextDecoder().decode(chunk);
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    };
    this.#child.stdout.on("data", hear);
    this.#child.stderr.on("data", hear);
    this.#closed = once(this.#child, "close").then(() => {
      this.#ended = true;
      hear();
    });
  }

  /** Standard output and standard error so far. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** What the pattern matched in the output, past or future. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = performance.now() + LIMIT_MS;
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (this.#ended) throw new Error(`it ended without ${pattern}:\n${this.#output}`);
      const left = deadline - performance.now();
      await within(left, `${pattern}, but only:\n${this.#output}\n`, this.#heard.promise);
    }
  }

  /** Its exit code, when it has ended by itself. */
  async ended(): Promise<number | null> {
    await within(LIMIT_MS, "its end", this.#closed).catch((error: Error) => {
      throw new Error(`${error.message}:\n${this.#output}`);
    });
    return this.#child.exitCode;
  }

  async kill(): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
