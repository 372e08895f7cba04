/** Standard input, output and error of a command, with backpressure and without stack traces. */
import { copyTogether } from "../lib/bytes.ts";
import { Buffer } from "node:buffer";
import { fstatSync } from "node:fs";
import process from "node:process";
import { EXIT } from "./exit_codes.ts";

const BUFFER_BYTES = 64 << 10;

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;
export type Style = keyof typeof STYLES;

export class Console {
  readonly outputIsTerminal = process.stdout.isTTY === true;
  readonly errorIsTerminal = process.stderr.isTTY === true;
  readonly #plain = (process.env.NO_COLOR ?? "") !== "" || process.env.TERM === "dumb";
  #buffered: Uint8Array[] = [];
  #bufferedBytes = 0;

  constructor() {
    // `| head` has read enough: that is no failure, and nothing to talk about.
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.failure);
    });
    process.stderr.on("error", () => {});
  }

  /** Standard input, read no faster than it is taken. */
  get input(): AsyncIterable<Uint8Array> {
    return process.stdin;
  }

  get inputIsTerminal(): boolean {
    return process.stdin.isTTY === true;
  }

  /** How long the input is, where it is a file; else null. */
  inputBytes(): number | null {
    try {
      const stat = fstatSync(0);
      return stat.isFile() ? stat.size : null;
    } catch {
      return null;
    }
  }

  /** Resolves when there is room for more. */
  async write(bytes: Uint8Array | string): Promise<void> {
    const piece = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    this.#buffered.push(piece);
    this.#bufferedBytes += piece.length;
    if (this.#bufferedBytes >= BUFFER_BYTES) await this.flush();
  }

  /** Resolves when all that was written has left the process. */
  async flush(): Promise<void> {
    if (this.#bufferedBytes === 0) return;
    const whole = copyTogether(this.#buffered);
    [this.#buffered, this.#bufferedBytes] = [[], 0];
    await new Promise<void>((resolve) => {
      process.stdout.write(Buffer.from(whole.buffer), () => resolve());
    });
  }

  /** One line on standard error, with the program's name. */
  tell(message: string, style: Style = "yellow"): void {
    const name = this.#paint("penstock:", style, this.errorIsTerminal);
    process.stderr.write(`${this.errorIsTerminal ? "\r\x1b[K" : ""}${name} ${message}\n`);
  }

  /** Replaces the terminal's line; nothing where standard error is no terminal. */
  status(line: string): void {
    if (this.errorIsTerminal) process.stderr.write(`\r\x1b[K${line}`);
  }

  /** For standard output: coloured on a terminal only. */
  paint(text: string, style: Style): string {
    return this.#paint(text, style, this.outputIsTerminal);
  }

  #paint(text: string, style: Style, terminal: boolean): string {
    return terminal && !this.#plain ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text;
  }
}
