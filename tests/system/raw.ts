/** Requests as bytes on a socket, for what no HTTP client would send. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import type { RawResponse } from "../support/http.ts";
import { assertErrorBody, within } from "./support.ts";

export interface RawOptions {
  readonly headers?: Record<string, string> | [string, string][];
  readonly body?: string;
}

/** The text of a request. `Connection: close`, so that the answer has an end. */
export function request(method: string, target: string, options: RawOptions = {}): string {
  const { headers = {}, body = "" } = options;
  const given = Array.isArray(headers) ? headers : Object.entries(headers);
  const lines = [
    `${method} ${target} HTTP/1.1`,
    "Host: localhost",
    "Connection: close",
    ...given.map(([name, value]) => `${name}: ${value}`),
  ];
  const framed = given.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  if (!framed && body !== "") lines.push(`Content-Length: ${Buffer.byteLength(body, "latin1")}`);
  return lines.join("\r\n") + "\r\n\r\n" + body;
}

/** One socket: what is written to it is one character a byte, and so is what comes back. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #received = "";
  #onReceived: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#received += Buffer.from(chunk).toString("latin1");
      this.#onReceived();
    });
    // A reset ends it just as well: what matters is what came before.
    socket.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      socket.once("end", resolve);
      socket.once("close", () => resolve());
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const connection = new RawConnection(socket);
    await within(5000, "a connection", new Promise((resolve) => socket.once("connect", resolve)));
    return connection;
  }

  async write(text: string): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write(text, "latin1", () => resolve()));
  }

  /** Resolves when what has come holds this text. */
  async received(text: string, ms = 10_000): Promise<void> {
    const come = new Promise<void>((resolve) => {
      this.#onReceived = () => {
        if (this.#received.includes(text)) resolve();
      };
      this.#onReceived();
    });
    await within(ms, `an answer that holds ${JSON.stringify(text)}`, come);
  }

  /** Shuts down this side only. */
  finish(): void {
    this.#socket.end();
  }

  /** Closes at once, whatever is under way. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** What the server has sent by the time it ends; undefined when that is no answer. */
  async answer(ms = 10_000): Promise<RawResponse | undefined> {
    return parse(await this.text(ms));
  }

  /** The same as text, one character a byte. */
  async text(ms = 10_000): Promise<string> {
    await within(ms, "the server's end of the connection", this.#ended);
    this.#socket.destroy();
    return this.#received;
  }
}

function parse(text: string): RawResponse | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers = new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
  }));
  return { status: Number(first.split(" ")[1]), headers, body: text.slice(end + 4) };
}

/** Sends it and waits for the end. */
export async function converse(port: number, text: string): Promise<RawResponse | undefined> {
  const connection = await RawConnection.open(port);
  await connection.write(text);
  return await connection.answer();
}

/** An error of ours: status and body. Returns its code. */
export function assertError(answer: RawResponse | undefined, status: number): string {
  assert.ok(answer, "the connection ended without an answer");
  assert.equal(answer.status, status, answer.body);
  return assertErrorBody(answer.headers, answer.body);
}

/**
 * Refused, by us or by the runtime before us. What is no HTTP never reaches our code: the runtime
 * answers 4xx without a body, or just closes.
 */
export function assertRefused(answer: RawResponse | undefined, what: string): void {
  if (answer === undefined) return;
  assert.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status}`);
  if (answer.body !== "") assertErrorBody(answer.headers, answer.body);
}
