/**
 * Sockets for postgres.js, which would choose among several hosts by itself, and wrongly: on a
 * PostgreSQL of today its `read-write` takes standbys, and it tries dead hosts without a pause.
 */
import { Buffer } from "node:buffer";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { Duplex } from "node:stream";
import type { PostgresHost } from "../url.ts";
import { free } from "../../../lib/reference_counts.ts";
import { receivesInPlace } from "../../../platform.ts";
import { CopyTap } from "./copy_tap.ts";
import type { RawParameters } from "./raw_parameters.ts";

const PROTOCOL_3 = 196608;
const TLS_REQUEST = 80877103;
/** A connection greets in the same turn of the event loop in which it gets its socket. */
const SILENT_MS = 50;
/** What is worth freeing at once. */
const LARGE_BYTES = 64 << 10;

type Write = (...given: unknown[]) => boolean;

export interface SocketOptions {
  readonly timeoutMs: number;
  /** Whoever wanted the connection is gone. */
  readonly signal: AbortSignal;
  /** TLS takes the bytes from the socket before anybody sees them. */
  readonly tls: boolean;
}

/** A connected socket. */
export function openSocket(host: PostgresHost, options: SocketOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const open = options.tls ? connect : connectTapped;
    // The name goes along: TLS wants to see it in the server's certificate.
    const socket = host.host.startsWith("/")
      ? open({ path: `${host.host}/.s.PGSQL.${host.port}` })
      : Object.assign(open({ port: host.port, host: host.host, noDelay: true }), {
        host: host.host,
      });
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

/** A socket whose "data" are messages for postgres.js, see `CopyTap`. */
function connectTapped(at: NetConnectOpts): Socket {
  const tap = new CopyTap((bytes) => socket.emit("data", Buffer.from(bytes)));
  const onread = {
    buffer: () => tap.buffer(),
    callback: (length: number, buffer: Uint8Array) => {
      tap.take(buffer.subarray(0, length));
      return true;
    },
  };
  const socket: Socket = connect(receivesInPlace() ? { ...at, onread } : at);
  if (receivesInPlace()) return socket;
  // What comes in a buffer of its own is copied and the buffer freed, half a mebibyte as a rule:
  // left to the collector they take 20 MiB.
  const push = socket.push.bind(socket);
  socket.push = (bytes: Uint8Array | null) => {
    if (bytes === null) return push(null);
    tap.take(bytes);
    const alone = bytes.length === bytes.buffer.byteLength;
    if (alone && bytes.length >= LARGE_BYTES) free(bytes);
    return true;
  };
  return socket;
}

/**
 * A connection of postgres.js 3.4.9 that is closed between a write and the turn of the event loop
 * that sends it keeps those bytes, believes that they are about to be sent, and after connecting
 * anew sends nothing for ever. So a socket that is not written to at once is closed, which makes it
 * try again; each time it adds its greeting to what it holds, and at 1024 bytes it sends. What the
 * server then gets is the last greeting alone.
 */
export function unstick(socket: Socket, raw: RawParameters): Socket {
  const write = socket.write.bind(socket) as Write;
  const timer = setTimeout(() => socket.destroy(), SILENT_MS);
  socket.once("close", () => clearTimeout(timer));
  socket.write = ((bytes: Uint8Array, ...rest: unknown[]) => {
    clearTimeout(timer);
    socket.write = replacing(write, raw);
    return write(lastGreeting(bytes), ...rest);
  }) as Socket["write"];
  return socket;
}

/** Puts bytes in the place of their tokens, see `RawParameters`. */
function replacing(write: Write, raw: RawParameters): Socket["write"] {
  const replaced: Write = (messages, ...rest) => {
    const pieces = raw.replaced(messages as Uint8Array);
    if (pieces === null) return write(messages, ...rest);
    return pieces.reduce((_, piece) => write(piece), true);
  };
  return replaced as Socket["write"];
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
