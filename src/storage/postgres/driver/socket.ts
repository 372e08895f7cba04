/**
 * Sockets for postgres.js. It would choose among several hosts by itself, and wrongly: its
 * `read-write` takes standbys for primaries, and it tries hosts that refuse without a pause.
 */
import { Buffer } from "node:buffer";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { Duplex } from "node:stream";
import type { PostgresHost } from "../url.ts";
import { free } from "../../../lib/reference_counts.ts";
import { receivesInPlace } from "../../../platform.ts";
import { CopyTap } from "./copy_tap.ts";

/** Buffers of at least so many bytes are freed at once, and not left to the collector. */
const LARGE_BYTES = 64 << 10;

export interface SocketOptions {
  readonly timeoutMs: number;
  /** Aborted when the connection is no longer wanted. */
  readonly signal: AbortSignal;
  /** Whether TLS takes the bytes from the socket, so that they cannot be tapped. */
  readonly tls: boolean;
}

/**
 * A connected socket.
 * @throws Error with a `code`: CONNECT_TIMEOUT, CONNECTION_ENDED, or what the system says
 */
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
  // What comes in a buffer of its own, half a mebibyte as a rule, is copied and the buffer freed:
  // left to the collector these buffers take 20 MiB.
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
 * A socket that fails with this error as soon as it is used. postgres.js reports a promise for a
 * socket that rejects, and then leaves the connection neither open nor closed: what waits for it
 * waits for ever.
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
