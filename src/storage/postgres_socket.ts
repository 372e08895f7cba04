/**
 * Sockets for postgres.js, which would choose among several hosts by itself, and wrongly: on a
 * PostgreSQL of today its `read-write` takes standbys, and it tries dead hosts without a pause.
 */
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import type { PostgresHost } from "../postgres_url.ts";

const PROTOCOL_3 = 196608;
const TLS_REQUEST = 80877103;
/** A connection greets in the same turn of the event loop in which it gets its socket. */
const SILENT_MS = 50;

export interface SocketOptions {
  readonly timeoutMs: number;
  /** Whoever wanted the connection is gone. */
  readonly signal: AbortSignal;
}

/** A connected socket. */
export function openSocket(host: PostgresHost, options: SocketOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // The name goes along: TLS wants to see it in the server's certificate.
    const socket = host.host.startsWith("/")
      ? connect(`${host.host}/.s.PGSQL.${host.port}`)
      : Object.assign(connect(host.port, host.host), { host: host.host });
    const end = (error?: Error) => {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", abort);
      socket.removeListener("error", end);
      if (error === undefined) return resolve(socket);
      socket.on("error", () => {});
      socket.destroy();
      reject(error);
    };
    const abort = () => end(failure("CONNECTION_ENDED", "no longer wanted"));
    const timer = setTimeout(
      () => end(failure("CONNECT_TIMEOUT", `${host.host}:${host.port} does not answer`)),
      options.timeoutMs,
    );
    socket.once("error", end);
    socket.once("connect", () => end());
    if (options.signal.aborted) abort();
    else options.signal.addEventListener("abort", abort, { once: true });
  });
}

/**
 * A connection of postgres.js 3.4.9 that is closed between a write and the turn of the event loop
 * that sends it keeps those bytes, believes that they are about to be sent, and after connecting
 * anew sends nothing for ever. So a socket that is not written to at once is closed, which makes it
 * try again; each time it adds its greeting to what it holds, and at 1024 bytes it sends. What the
 * server then gets is the last greeting alone.
 */
export function unstick(socket: Socket): Socket {
  const write = socket.write.bind(socket) as (...given: unknown[]) => boolean;
  const timer = setTimeout(() => socket.destroy(), SILENT_MS);
  socket.once("close", () => clearTimeout(timer));
  socket.write = ((bytes: Uint8Array, ...rest: unknown[]) => {
    clearTimeout(timer);
    // Its own again: this is called for every statement.
    delete (socket as Partial<Socket>).write;
    return write(lastGreeting(bytes), ...rest);
  }) as Socket["write"];
  return socket;
}

/** What a connection begins with, its own length in front: a start-up message, or a wish for TLS. */
function lastGreeting(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = bytes.length - 8; at > 0; at--) {
    const code = view.getUint32(at + 4);
    const greets = code === PROTOCOL_3 || code === TLS_REQUEST;
    if (greets && view.getUint32(at) === bytes.length - at) return bytes.subarray(at);
  }
  return bytes;
}

/**
 * Fails with this error as soon as it is used. postgres.js takes a socket or waits for ever: a
 * rejected promise would leave its connection neither open nor closed.
 */
export function failedSocket(error: unknown): Socket {
  const cause = error instanceof Error ? error : new Error(String(error));
  return new Duplex({
    read() {},
    write(_chunk, _encoding, callback) {
      callback(cause);
    },
  }) as unknown as Socket;
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
