/** Runs the client's commands as a user does: processes, pipes, a shell. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Readable, Writable } from "node:stream";

const MAIN = join(import.meta.dirname ?? ".", "../../main.ts");
const LIMIT_MS = 60_000;

/** A folder to work in, whose `bin/penstock` is the program. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), "penstock-client-"));
  readonly #environment: Record<string, string | undefined>;

  /** @param url where the streams are */
  constructor(url: string) {
    // PENSTOCK_TEST_COMMAND tries another build: the compiled binary, or Bun.
    const command = process.env.PENSTOCK_TEST_COMMAND ??
      `${process.execPath} run -A --quiet ${MAIN}`;
    const program = join(this.folder, "penstock");
    writeFileSync(program, `#!/bin/sh\nexec ${command} "$@"\n`);
    chmodSync(program, 0o755);
    this.#environment = {
      PATH: `${this.folder}:${process.env.PATH}`,
      HOME: process.env.HOME,
      PENSTOCK_URL: url,
    };
  }

  /** Begins a command that is written to and read from while it runs. */
  start(args: readonly string[]): Running {
    return new Running(spawn(join(this.folder, "penstock"), [...args], this.#options()));
  }

  /** Runs a command line of a shell to its end. */
  async shell(line: string, shell = "sh"): Promise<Ended> {
    const running = new Running(spawn(shell, ["-c", line], this.#options()));
    running.input.end();
    return await running.ended();
  }

  async penstock(...args: string[]): Promise<Ended> {
    const running = this.start(args);
    running.input.end();
    return await running.ended();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #options() {
    const env = this.#environment as NodeJS.ProcessEnv;
    return { cwd: this.folder, env, stdio: ["pipe", "pipe", "pipe"] as ["pipe", "pipe", "pipe"] };
  }
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Running {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  #stdout = "";
  #stderr = "";
  #heard = Promise.withResolvers<void>();
  readonly #closed: Promise<unknown[]>;

  constructor(child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.process = child;
    this.#closed = once(child, "close");
    child.stdin.on("error", () => {}); // a command that ends before its input does
    const decoder = new TextDecoder();
    const hear = () => {
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    };
    child.stdout.on("data", (chunk: Uint8Array) => {
      this.#stdout += decoder.decode(chunk, { stream: true });
      hear();
    });
    child.stderr.on("data", (chunk: Uint8Array) => {
      this.#stderr += new TextDecoder().decode(chunk);
      hear();
    });
  }

  get input(): Writable {
    return this.process.stdin;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves when the command has said so much that `enough` holds. */
  async until(enough: () => boolean): Promise<void> {
    const limit = setTimeout(() => this.process.kill("SIGKILL"), LIMIT_MS);
    try {
      while (!enough()) {
        const ended = await Promise.race([this.#heard.promise, this.#closed]);
        if (ended !== undefined && !enough()) {
          throw new Error(`the command ended too early\n${this.#stderr}`);
        }
      }
    } finally {
      clearTimeout(limit);
    }
  }

  /** Writes, and waits until the pipe has room for more. */
  async write(text: string): Promise<void> {
    if (!this.input.write(text)) await once(this.input, "drain");
  }

  async ended(): Promise<Ended> {
    const limit = setTimeout(() => this.process.kill("SIGKILL"), LIMIT_MS);
    const [code] = await this.#closed as [number | null];
    clearTimeout(limit);
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }
}
