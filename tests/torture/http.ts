/**
 * HTTP over connections that are kept, and nothing done behind the caller's back: Deno's own client
 * sends a POST again by itself when a connection it had used before ends without an answer, and
 * then an append without a producer is there twice.
 */
import { connect, type Socket } from "node:net";
import { NO_ANSWER } from "./checker/answers.ts";

export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | null;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface HttpStream {
  readonly status: number;
  readonly headers: Headers;
  /** The body as it comes; ends with the connection's error when it breaks off. */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Ends the connection; `chunks` ends too. */
  close(): void;
}

const HEAD_END = new TextEncoder().encode("\r\n\r\n");
const LINE_END = HEAD_END.subarray(0, 2);
const utf8 = new TextEncoder();
const latin1 = new TextDecoder("latin1");

export class HttpClient {
  readonly #port: number;
  #idle: Connection[] = [];

  /** On this machine. */
  constructor(port: number) {
    this.#port = port;
  }

  /** @throws Error when the connection ends, or nothing has come in time */
  async request(request: HttpRequest, limitMs: number): Promise<HttpAnswer> {
    const connection = this.#take();
    const timer = setTimeout(
      () => connection.fail(new Error(`${NO_ANSWER} ${limitMs} ms`)),
      limitMs,
    );
    try {
      const head = await connection.ask(request);
      const body = hasBody(request, head.status)
        ? await collect(connection.body(head.headers))
        : new Uint8Array(0);
      if (connection.usable(head.headers)) this.#idle.push(connection);
      else connection.fail(new Error("closed"));
      return { ...head, body };
    } catch (error) {
      connection.fail(error as Error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** An answer whose body goes on for long, on a connection of its own. */
  async open(request: HttpRequest, limitMs: number): Promise<HttpStream> {
    const connection = new Connection(this.#port);
    const timer = setTimeout(
      () => connection.fail(new Error(`${NO_ANSWER} ${limitMs} ms`)),
      limitMs,
    );
    try {
      const head = await connection.ask(request);
      return {
        ...head,
        chunks: () => connection.body(head.headers),
        close: () => connection.fail(new Error("closed")),
      };
    } catch (error) {
      connection.fail(error as Error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #take(): Connection {
    while (true) {
      const connection = this.#idle.pop();
      if (connection === undefined) return new Connection(this.#port);
      if (!connection.ended) return connection;
    }
  }
}

class Connection {
  readonly #socket: Socket;
  #received: Uint8Array = new Uint8Array(0);
  #error: Error | null = null;
  #more: () => void = () => {};

  constructor(port: number) {
    this.#socket = connect({ host: "127.0.0.1", port });
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk: Uint8Array) => {
      this.#received = joined(this.#received, chunk);
      this.#more();
    });
    this.#socket.on("error", (error) => this.fail(error));
    this.#socket.on("close", () => this.fail(new Error("the connection was closed")));
  }

  get ended(): boolean {
    return this.#error !== null;
  }

  usable(headers: Headers): boolean {
    return !this.ended && this.#received.length === 0 && headers.get("connection") !== "close";
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
    this.#more();
  }

  async ask(request: HttpRequest): Promise<{ status: number; headers: Headers }> {
    const { method, target, headers = {}, body } = request;
    const lines = [`${method} ${target} HTTP/1.1`, "host: 127.0.0.1"];
    for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
    if (method === "POST" || method === "PUT") lines.push(`content-length: ${body?.length ?? 0}`);
    const head = utf8.encode(lines.join("\r\n") + "\r\n\r\n");
    this.#socket.write(body ? joined(head, body) : head);
    return parseHead(latin1.decode(await this.#until(HEAD_END)));
  }

  async *body(headers: Headers): AsyncGenerator<Uint8Array> {
    if (headers.get("transfer-encoding") !== "chunked") {
      yield await this.#exactly(Number(headers.get("content-length") ?? 0));
      return;
    }
    while (true) {
      const length = parseInt(latin1.decode(await this.#until(LINE_END)), 16);
      const chunk = await this.#exactly(length);
      await this.#until(LINE_END);
      if (length === 0) return;
      yield chunk;
    }
  }

  /** What comes before `mark`, which is taken away too. */
  async #until(mark: Uint8Array): Promise<Uint8Array> {
    while (true) {
      const at = indexOf(this.#received, mark);
      if (at !== -1) {
        const before = this.#received.subarray(0, at);
        this.#received = this.#received.subarray(at + mark.length);
        return before;
      }
      await this.#wait();
    }
  }

  async #exactly(length: number): Promise<Uint8Array> {
    while (this.#received.length < length) await this.#wait();
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  #wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#error !== null) return reject(this.#error);
      this.#more = () => this.#error === null ? resolve() : reject(this.#error);
    });
  }
}

function hasBody({ method }: HttpRequest, status: number): boolean {
  return method !== "HEAD" && status !== 204 && status !== 304;
}

function parseHead(text: string): { status: number; headers: Headers } {
  const [first, ...lines] = text.split("\r\n");
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return { status: Number(first!.split(" ")[1]), headers };
}

async function collect(chunks: AsyncGenerator<Uint8Array>): Promise<Uint8Array> {
  let all: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) all = joined(all, chunk);
  return all;
}

function indexOf(bytes: Uint8Array, mark: Uint8Array): number {
  for (let at = bytes.indexOf(mark[0]!); at !== -1; at = bytes.indexOf(mark[0]!, at + 1)) {
    if (mark.every((byte, offset) => bytes[at + offset] === byte)) return at;
  }
  return -1;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b;
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
