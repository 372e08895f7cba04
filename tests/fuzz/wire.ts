/** One socket to the server: writes any bytes at all, reads answers in order. */
import { copyTogether } from "../../src/lib/bytes.ts";
import { connect, type Socket } from "node:net";
import { type Answer, parseAnswer } from "./answer.ts";

const CONNECT_MS = 10_000;

export interface ReadOptions {
  readonly method?: string;
  readonly headOnly?: boolean;
  readonly ms?: number;
}

/** What became of a request whose answer was waited for. */
export type Reply =
  | { readonly kind: "answer"; readonly answer: Answer }
  /** The server closed, or broke, the connection before a whole answer. */
  | { readonly kind: "closed"; readonly received: Uint8Array }
  | { readonly kind: "silence"; readonly received: Uint8Array };

export class Wire {
  readonly #socket: Socket;
  #chunks: Uint8Array[] = [];
  #ended = false;
  #changed: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#changed();
    });
    const end = () => {
      this.#ended = true;
      this.#changed();
    };
    socket.on("error", end);
    socket.on("end", end);
    socket.on("close", end);
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error("no connection")), CONNECT_MS);
      socket.once("connect", () => {
        clearTimeout(limit);
        resolve();
      });
      socket.once("error", (error) => {
        clearTimeout(limit);
        reject(error);
      });
    });
    return new Wire(socket);
  }

  /** The server has closed its side. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Resolves when the bytes are the kernel's, or the connection is no more. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#socket.destroyed || !this.#socket.writable) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#socket.off("close", done);
        resolve();
      };
      this.#socket.once("close", done);
      this.#socket.write(bytes, done);
    });
  }

  /** The next answer. What it is followed by stays for the one after. */
  async read(options: ReadOptions = {}): Promise<Reply> {
    const { method = "GET", headOnly = false, ms = 30_000 } = options;
    const deadline = Date.now() + ms;
    while (true) {
      const buffer = copyTogether(this.#chunks);
      this.#chunks = [buffer];
      const parsed = parseAnswer(buffer, { method, ended: this.#ended, headOnly });
      if (parsed !== undefined) {
        this.#chunks = [buffer.slice(parsed.used)];
        return { kind: "answer", answer: parsed.answer };
      }
      if (this.#ended) return { kind: "closed", received: buffer };
      if (!await this.#change(deadline)) return { kind: "silence", received: buffer };
    }
  }

  /** Takes no more bytes from the server until `resume`. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Bytes received and not read as an answer yet. */
  get pending(): Uint8Array {
    return copyTogether(this.#chunks);
  }

  /** Resolves when the server has closed its side; false when it has not in time. */
  async closed(ms: number): Promise<boolean> {
    const deadline = Date.now() + ms;
    while (!this.#ended) if (!await this.#change(deadline)) return false;
    return true;
  }

  /** Shuts down this side only. */
  finish(): void {
    this.#socket.end();
  }

  /** RST, which throws away what is still on its way. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** False when nothing has changed by the deadline. */
  #change(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const limit = setTimeout(() => resolve(false), Math.max(0, deadline - Date.now()));
      this.#changed = () => {
        clearTimeout(limit);
        this.#changed = () => {};
        resolve(true);
      };
    });
  }
}
