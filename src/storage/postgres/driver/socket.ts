/**
 * Opens sockets for postgres.js. Its own choice among several hosts is not used, because it is
 * wrong: its `read-write` accepts standbys, and it retries hosts that refuse it without a pause.
 */
import { Buffer } from "node:buffer";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { Duplex } from "node:stream";
import type { PostgresHost } from "../url.ts";
import { free } from "../../../lib/reference_counts.ts";
import { receivesInPlace } from "../../../platform.ts";
import { CopyTap } from "./copy_tap.ts";

/** Buffers of at least this many bytes are freed at once, and not left to the garbage collector. */
const LARGE_BYTES = 64 << 10;

export interface SocketOptions {
  readonly timeoutMs: number;
  /** Aborted when the connection is no longer wanted. */
  readonly signal: AbortSignal;
  /** Whether TLS reads from the socket. Its encrypted bytes cannot be tapped. */
  readonly tls: boolean;
}

/**
 * A connected socket.
 * @throws Error with a `code`: CONNECT_TIMEOUT, CONNECTION_ENDED, or that of the system
 */
export function openSocket(host: PostgresHost, options: SocketOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const open = options.tls ? connect : connectTapped;
    // TLS verifies the host's name against the server's certificate.
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
      reject(explained(error, host));
    };
    const abort = () => end(failure("CONNECTION_ENDED", "no longer wanted"));
    const timer = setTimeout(
      () => end(failure("CONNECT_TIMEOUT", `${nameOf(host)} does not answer`)),
      options.timeoutMs,
    );
    socket.once("error", end);
    socket.once("connect", () => end());
    if (options.signal.aborted) abort();
    else options.signal.addEventListener("abort", abort, { once: true });
  });
}

/** A socket whose "data" events hold only the messages that `CopyTap` leaves to postgres.js. */
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
  // Data that arrives in a buffer of its own, usually of half a mebibyte, is copied and the buffer
  // freed: left to the garbage collector, these buffers take 20 MiB.
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
 * A socket that fails with this error as soon as it is used. If the promise for the socket rejected
 * instead, postgres.js would leave the connection neither open nor closed, and the statements that
 * wait for it would wait for ever.
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
  return Object.assign(new Error(message), { code });
}

/** The system's error, with a message that names the server. Its code stays. */
function explained(error: Error, host: PostgresHost): Error {
  const { code } = error as { code?: string };
  switch (code) {
    case "ECONNREFUSED":
      return failure(code, `${nameOf(host)} refuses connections`);
    case "ENOENT":
      return failure(code, `${nameOf(host)} is not there`);
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return failure(code, `${nameOf(host)} is not found: its name has no address`);
    case "ETIMEDOUT":
      return failure(code, `${nameOf(host)} does not answer`);
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return failure(code, `${nameOf(host)} cannot be reached from here`);
    default:
      return error;
  }
}

function nameOf({ host, port }: PostgresHost): string {
  return host.startsWith("/")
    ? `PostgreSQL at the socket ${host}/.s.PGSQL.${port}`
    : `PostgreSQL at ${host.includes(":") ? `[${host}]` : host}:${port}`;
}
