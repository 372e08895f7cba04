/**
 * One HTTP/1.1 connection over a raw socket, with request bytes made beforehand. `fetch` costs a
 * generator more than most handlers cost the server, and has opinions about connections.
 */

export interface Answer {
  readonly status: number;
  /** The head as text, its names in the server's own case. */
  readonly head: string;
  readonly bodyBytes: number;
}

const latin1 = new TextDecoder("latin1");
const encoder = new TextEncoder();

export interface RequestParts {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** The bytes of one request. */
export function requestBytes(parts: RequestParts): Uint8Array {
  const body = parts.body ?? new Uint8Array(0);
  const headers = Object.entries(parts.headers ?? {});
  if (parts.method !== "GET") headers.push(["Content-Length", String(body.length)]);
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = encoder.encode(
    `${parts.method} ${parts.path} HTTP/1.1\r\nHost: ${parts.host}\r\n${lines}\r\n`,
  );
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** A header's value, or null. */
export function headerOf(answer: Answer, name: string): string | null {
  return answer.head.match(new RegExp(`^${name}: *(.*)\r$`, "im"))?.[1] ?? null;
}

export class HttpConnection {
  readonly #socket: Deno.TcpConn;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  /** What has been read and not yet consumed: `[#start, #end)` of the buffer. */
  #start = 0;
  #end = 0;

  private constructor(socket: Deno.TcpConn, bufferBytes: number) {
    this.#buffer = new Uint8Array(bufferBytes);
    this.#socket = socket;
  }

  /** `bufferBytes` bounds a head; small where there are thousands of connections. */
  static async open(url: string, bufferBytes: number = 64 * 1024): Promise<HttpConnection> {
    const { hostname, port } = new URL(url);
    const socket = await Deno.connect({ hostname, port: Number(port || 80) });
    socket.setNoDelay(true);
    return new HttpConnection(socket, bufferBytes);
  }

  async send(bytes: Uint8Array): Promise<void> {
    let sent = 0;
    while (sent < bytes.length) {
      sent += await this.#socket.write(sent === 0 ? bytes : bytes.subarray(sent));
    }
  }

  /** The next answer, its body counted and dropped. */
  async receive(): Promise<Answer> {
    const { status, head } = await this.receiveHead();
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    if (length !== undefined) {
      const bodyBytes = Number(length);
      await this.#skip(bodyBytes);
      return { status, head, bodyBytes };
    }
    const chunked = /^transfer-encoding: *chunked/im.test(head);
    return { status, head, bodyBytes: chunked ? await this.#skipChunks() : 0 };
  }

  /** Only the head: a stream's body is then read by `read`. */
  async receiveHead(): Promise<{ status: number; head: string }> {
    let end = this.#headEnd(this.#start);
    while (end < 0) {
      const looked = Math.max(this.#start, this.#end - 3) - this.#start;
      await this.#fill();
      end = this.#headEnd(this.#start + looked);
    }
    const head = latin1.decode(this.#buffer.subarray(this.#start, end));
    this.#start = end;
    return { status: Number(head.slice(9, 12)), head };
  }

  /** Whatever comes next; valid until the next call. Empty at the end. */
  async read(): Promise<Uint8Array> {
    if (this.#start < this.#end) {
      const bytes = this.#buffer.subarray(this.#start, this.#end);
      this.#start = this.#end;
      return bytes;
    }
    const count = await this.#socket.read(this.#buffer);
    return this.#buffer.subarray(0, count ?? 0);
  }

  close(): void {
    try {
      this.#socket.close();
    } catch {
      // The server closed it first.
    }
  }

  #headEnd(from: number): number {
    const bytes = this.#buffer;
    for (let at = from; at + 3 < this.#end; at++) {
      if (
        bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10
      ) {
        return at + 4;
      }
    }
    return -1;
  }

  async #fill(): Promise<void> {
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (this.#end === this.#buffer.length) throw new Error("a head larger than the buffer");
    const count = await this.#socket.read(this.#buffer.subarray(this.#end));
    if (count === null) throw new Error("the server closed the connection");
    this.#end += count;
  }

  async #skip(count: number): Promise<void> {
    let left = count - (this.#end - this.#start);
    if (left <= 0) {
      this.#start += count;
      return;
    }
    this.#start = this.#end = 0;
    while (left > 0) {
      const read = await this.#socket.read(this.#buffer);
      if (read === null) throw new Error("the server closed the connection within a body");
      if (read > left) {
        this.#start = left;
        this.#end = read;
      }
      left -= read;
    }
  }

  async #skipChunks(): Promise<number> {
    let total = 0;
    while (true) {
      const size = parseInt(await this.#line(), 16);
      if (Number.isNaN(size)) throw new Error("a chunk without a size");
      await this.#skip(size);
      await this.#line(); // after a chunk, or the end of the (empty) trailer
      if (size === 0) return total;
      total += size;
    }
  }

  async #line(): Promise<string> {
    while (true) {
      const end = this.#buffer.subarray(this.#start, this.#end).indexOf(10);
      if (end >= 0) {
        const line = latin1.decode(this.#buffer.subarray(this.#start, this.#start + end));
        this.#start += end + 1;
        return line.trimEnd();
      }
      await this.#fill();
    }
  }
}
